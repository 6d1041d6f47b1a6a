# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import lfs
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from git_commands import commit
from git_repositories import Repositories

ATTRIBUTES = "*.bin filter=lfs diff=lfs merge=lfs -text\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"


@pytest.fixture
def repositories(tmp_path):
    return Repositories(tmp_path)


def with_lfs(repositories, folder, program):
    """Return git on a host with this program as its Git LFS, without any of the machine."""
    place = folder / "bin"
    place.mkdir()
    (place / "git-lfs").write_text(program)
    (place / "git-lfs").chmod(0o755)
    path = f"{place}:{repositories.environment['PATH']}"
    return code_git.make_run({**repositories.environment, "PATH": path}, 30, str(repositories.path))


WITHOUT = "#!/bin/sh\nexit 127\n"


@pytest.mark.parametrize(
    "files",
    [{"x": POINTER}, {".gitattributes": ATTRIBUTES, "a.txt": "no pointer"}, {".gitattributes": "* text=auto\n"}],
)
def test_a_commit_without_a_file_of_git_lfs_is_fine(repositories, tmp_path, files):
    repositories.second = commit(repositories.origin, files, "third")
    repositories.fetch()
    lfs.fetch(with_lfs(repositories, tmp_path, WITHOUT), "/origin", repositories.second)


def test_a_folder_is_named_by_its_url(repositories, tmp_path):
    repositories.second = commit(repositories.origin, {".gitattributes": ATTRIBUTES, "a.bin": POINTER}, "third")
    repositories.fetch()
    said = tmp_path / "said"
    run = with_lfs(repositories, tmp_path, f'#!/bin/sh\necho "$@" >> {said}\n')
    lfs.fetch(run, "/srv/r", repositories.second)
    assert f"fetch file:///srv/r {repositories.second}" in said.read_text()


@pytest.mark.parametrize(
    "program, check_mode, asked, message",
    [
        (WITHOUT, False, "", r"keeps web/a.bin in Git LFS, which is not installed .*; install git-lfs"),
        (WITHOUT, True, "", r"keeps web/a.bin in Git LFS, which is not installed .*; install git-lfs"),
        ("exit 0", True, "version\n", ""),
        ("exit 0", False, "version\nfetch https://h/r.git {}\n", ""),
        (
            "test $1 = version || { echo batch response: Authentication required >&2; exit 2; }",
            False,
            "version\nfetch https://h/r.git {}\n",
            r"Cannot fetch web/a.bin of .*, which Git LFS keeps, from https://\*\*\*@h/r.git: batch response: Auth",
        ),
    ],
)
def test_files_of_git_lfs_are_fetched_where_the_host_can_do_that(
    repositories, tmp_path, program, check_mode, asked, message
):
    repositories.second = commit(repositories.origin, {"web/.gitattributes": ATTRIBUTES, "web/a.bin": POINTER}, "third")
    repositories.fetch()
    said = tmp_path / "said"
    said.write_text("")
    script = program if program == WITHOUT else f'#!/bin/sh\necho "$@" >> {said}\n{program}\n'
    run = with_lfs(repositories, tmp_path, script)
    given = (run, "https://bob:hunter2@h/r.git", repositories.second, check_mode)
    if message:
        with pytest.raises(GitError, match=message):
            lfs.fetch(*given)
    else:
        lfs.fetch(*given)
    assert said.read_text() == asked.format(repositories.second)
