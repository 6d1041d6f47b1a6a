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


@pytest.mark.parametrize(
    "files",
    [{"x": POINTER}, {".gitattributes": ATTRIBUTES, "a.txt": "no pointer"}, {".gitattributes": "* text=auto\n"}],
)
def test_a_commit_without_a_file_of_git_lfs_is_fine(repositories, files):
    repositories.second = commit(repositories.origin, files, "third")
    repositories.fetch()
    lfs.refuse_pointers(repositories.run, repositories.second)


def test_files_of_git_lfs_are_refused_until_it_is_set_up(repositories, tmp_path):
    repositories.second = commit(repositories.origin, {"web/.gitattributes": ATTRIBUTES, "web/a.bin": POINTER}, "third")
    repositories.fetch()
    program = tmp_path / "git-lfs"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    installed = {**repositories.environment, "PATH": f"{repositories.environment['PATH']}:{tmp_path}"}
    with_program = code_git.make_run(installed, 30, str(repositories.path))
    for run in (repositories.run, with_program):
        with pytest.raises(GitError, match=r"keeps web/a.bin in Git LFS, which is not set up .*; install git-lfs"):
            lfs.refuse_pointers(run, repositories.second)
    (tmp_path / ".gitconfig").write_text('[filter "lfs"]\n\tsmudge = cat\n')
    lfs.refuse_pointers(with_program, repositories.second)
