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
    assert modes(kept.folder) == {"aside": 0o700, "by-hand.1": 0o700, "new": 0o700, "a": 0o644, "changes.diff": 0o600}
    (repositories.path / "a").write_text("again")
    assert put_aside(repositories, "a").folder == kept.folder.with_name("by-hand.2")


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
        if path.name == "by-hand.1":
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


def test_what_a_release_put_aside_is_found_by_its_id(repositories):
    ids = [f"2026021{day}T020000Z-bbbbbbbb" for day in (1, 2)]
    for owner in (ids[0], ids[1], ids[1]):
        (repositories.path / "a").write_text("mine")
        aside.put_changes_aside(repositories.run, repositories.path, ["a"], owner)
    found = aside.folders_of(repositories.run, repositories.path, ids[1])
    assert [folder.name for folder in found] == [f"{ids[1]}.1", f"{ids[1]}.2"]
    assert all((folder / "changes.diff").is_file() for folder in found)
    assert aside.folders_of(repositories.run, repositories.path, "20260213T020000Z-bbbbbbbb") == []


def test_what_the_newest_releases_put_aside_is_kept_and_what_is_of_no_release(repositories):
    ids = [f"202602{day:02}T020000Z-bbbbbbbb" for day in range(1, 5)]
    folder = repositories.path / ".git" / "greenlight" / "aside"
    assert aside.prune(repositories.run, repositories.path, 2) == []
    names = [*(f"{each}.1" for each in ids), f"{ids[3]}.2", "by-hand.1", "7"]
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "a").write_text("mine")
    assert aside.prune(repositories.run, repositories.path, 2) == []
    assert sorted(each.name for each in folder.iterdir()) == sorted(names[2:])


def test_what_cannot_be_removed_is_told_and_stops_nothing(repositories, monkeypatch):
    folder = repositories.path / ".git" / "greenlight" / "aside"
    for day in (1, 2):
        (folder / f"2026020{day}T020000Z-bbbbbbbb.1").mkdir(parents=True)
    monkeypatch.setattr(aside.tree_copy, "remove", refuse)
    (told,) = aside.prune(repositories.run, repositories.path, 1)
    assert told.startswith(f"{folder}/20260201T020000Z-bbbbbbbb.1 is older than what is kept, and cannot be removed: ")


def refuse(_path):
    raise PermissionError(13, "Permission denied")
