# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import aside, checkout
from ansible_collections.greenlight.release.plugins.module_utils._code.aside import Aside
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from git_repositories import Repositories


@pytest.fixture
def repositories(tmp_path):
    made = Repositories(tmp_path)
    made.fetch()
    return made


def put_aside(repositories, *names):
    return aside.put_aside(repositories.run, repositories.path, names, (repositories.first, repositories.second))


def modes(folder):
    return {path.name: path.stat().st_mode & 0o777 for path in (folder.parent, folder, *folder.iterdir())}


def test_what_a_commit_has_is_left_where_it_is(repositories):
    (repositories.path / "a").write_text("2")
    assert put_aside(repositories, "a", "b", "gone") == Aside()
    assert (repositories.path / "a").read_text() == "2"


def test_what_no_commit_has_is_kept_with_the_difference_and_nobody_else_can_read_it(repositories):
    (repositories.path / "a").write_text("mine")
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("mine, too")
    kept = put_aside(repositories, "a", "new/file")
    assert kept.paths == ("a", "new/file")
    assert {name: (kept.folder / name).read_text() for name in kept.paths} == {"a": "mine", "new/file": "mine, too"}
    assert "-1\n" in (kept.folder / "changes.diff").read_text()
    assert not (repositories.path / "a").exists()
    assert modes(kept.folder) == {"aside": 0o700, "1": 0o700, "new": 0o700, "a": 0o644, "changes.diff": 0o600}
    (repositories.path / "a").write_text("again")
    assert put_aside(repositories, "a").folder == kept.folder.with_name("2")


@pytest.mark.parametrize("kind", ["link", "folder", "file above", "link above"])
def test_whatever_lies_in_the_place_of_a_file_is_kept(repositories, tmp_path, kind):
    place = repositories.path / "new"
    above = kind.endswith("above")
    if kind == "folder":
        (place / "file").mkdir(parents=True)
    elif kind == "file above":
        place.write_text("mine")
    elif kind == "link above":
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
        (place / "file").symlink_to("elsewhere")
    kept = put_aside(repositories, "new/file")
    assert kept.paths == ("new" if above else "new/file",)
    assert os.path.lexists(kept.folder / kept.paths[0])
    checkout.check_out(repositories.run, repositories.path, repositories.second)


def test_a_full_disk_loses_nothing(repositories, monkeypatch):
    (repositories.path / "a").write_text("mine")
    monkeypatch.setattr(Path, "mkdir", full(Path.mkdir))
    with pytest.raises(GitError, match="aside cannot keep what is put aside: No space left on device"):
        put_aside(repositories, "a")
    assert (repositories.path / "a").read_text() == "mine"


def full(mkdir):
    def make(path, *given, **more):
        if path.name == "1":
            raise OSError(28, "No space left on device", str(path))
        return mkdir(path, *given, **more)

    return make


def test_many_paths_are_given_to_git_a_part_at_a_time():
    assert [len(some) for some in aside.chunks([str(number) for number in range(450)])] == [200, 200, 50]


def test_a_long_list_is_cut():
    assert aside.shorten([str(number) for number in range(8)]) == "0, 1, 2, 3, 4 and 3 more"


def test_what_lies_in_a_folder_that_is_put_aside_goes_with_it(repositories):
    """A file of one revision is a folder in the other one."""
    (repositories.path / "new").mkdir()
    (repositories.path / "new" / "file").write_text("mine")
    kept = put_aside(repositories, "new", "new/file")
    assert (kept.paths, (kept.folder / "new" / "file").read_text()) == (("new",), "mine")
