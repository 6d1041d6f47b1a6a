# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import layout, prune
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from git_commands import git
from git_repositories import Repositories

IDS = [f"2026010{day}T020000Z-{day}{day}{day}{day}{day}{day}{day}{day}" for day in range(1, 8)]
SHAS = [str(day) * 40 for day in range(1, 8)]


def record(number, status, before=None):
    return {"id": IDS[number], "status": status, "from_revision": SHAS[before or 0], "to_revision": SHAS[number]}


@pytest.fixture
def app(tmp_path):
    """Seven releases, of which the fifth runs."""
    for release_id, sha in zip(IDS, SHAS):
        (tmp_path / "app" / "releases" / release_id).mkdir(parents=True)
        (tmp_path / "app" / "releases" / release_id / "REVISION").write_text(sha)
    (tmp_path / "app" / "current").symlink_to(f"releases/{IDS[4]}")
    (tmp_path / "proc").mkdir()
    return tmp_path / "app"


def kept(app, records, keep):
    return [IDS.index(each) for each in prune.plan_releases(app, records, keep, app.parent / "proc")["kept"]]


@pytest.mark.parametrize(
    "protected, keep, removed",
    [([], 3, "ab"), ([], 9, ""), (["a"], 3, "bc"), (["a", "b"], 1, "cde"), (["x"], 5, ""), (["a", "b", "c"], 3, "de")],
)
def test_the_newest_are_kept_and_those_that_are_needed(protected, keep, removed):
    assert "".join(prune.choose("abcde", protected, keep)) == removed


def test_keeping_nothing_is_refused():
    with pytest.raises(GitError, match="At least 1 release must be kept, not 0"):
        prune.choose("abc", [], 0)


@pytest.mark.parametrize(
    "records, keep, expected",
    [
        ([], 1, [4]),
        ([], 3, [4, 5, 6]),
        ([record(2, "healthy"), record(4, "healthy", 2)], 1, [2, 4]),
        ([record(1, "in_progress", 0), record(4, "healthy", 3)], 1, [0, 1, 3, 4]),
        ([record(3, "healthy"), record(4, "rolled_back", 3), record(5, "failed", 3)], 1, [3, 4, 5]),
        # A release that the next one followed while it was watched is watched no more.
        (
            [record(0, "watching"), record(1, "watching", 0), record(3, "watching", 1), record(4, "watching", 3)],
            1,
            [3, 4],
        ),
        ([record(2, "healthy"), record(4, "watching", 2), record(6, "aborted", 4)], 1, [2, 4, 6]),
        ([record(0, "aborted", 1), record(2, "healthy"), record(4, "watching", 2)], 1, [2, 4]),
    ],
)
def test_what_records_need_is_kept(app, records, keep, expected):
    assert kept(app, records, keep) == expected


def test_what_the_running_release_replaced_is_kept(app):
    (app / "releases" / f".{IDS[4]}.json").write_text(json.dumps({"previous": IDS[0]}))
    assert kept(app, [], 1) == [0, 4]


def test_what_a_process_works_in_is_kept(app):
    for pid, folder, command in (("1", app / "releases" / IDS[1] / "web", "x"), ("2", "/", f"node {app}/current/x")):
        (app.parent / "proc" / pid).mkdir()
        (app.parent / "proc" / pid / "cwd").symlink_to(folder)
        (app.parent / "proc" / pid / "cmdline").write_text(command)
    (app.parent / "proc" / "3").mkdir()
    (app.parent / "proc" / "3" / "cmdline").write_text(f"node\0{app}/releases/{IDS[2]}/x.js")
    assert kept(app, [], 1) == [1, 2, 4]


def test_the_times_of_folders_and_broken_ones_do_not_count(app):
    os.utime(app / "releases" / IDS[0], (4e9, 4e9))
    (app / "releases" / IDS[6] / "REVISION").unlink()
    (app / "releases" / "notes").mkdir()
    (app / "releases" / "20260109T020000Z-99999999").symlink_to("/etc")
    assert kept(app, [record(4, "healthy")], 2) == [0, 4]


@pytest.mark.parametrize("change, message", [("current", "nobody knows what runs"), ("releases", "is not a folder")])
def test_nothing_is_removed_where_the_layout_is_not_known(app, change, message):
    (app / change).rename(app / "moved")
    with pytest.raises(GitError, match=message):
        prune.plan_releases(app, [], 1, app.parent / "proc")


def test_releases_are_removed_with_their_plans_and_shared_files_stay(app):
    (app / "shared").mkdir()
    (app / "shared" / "x").write_text("mine")
    (app / "releases" / IDS[0] / "data").symlink_to("../../shared")
    for name in (f".{IDS[0]}.json", f".{IDS[1]}.json"):
        (app / "releases" / name).write_text("{}")
    for name in (f".{IDS[0]}.removed", f".{IDS[2]}.partial", f".{IDS[4]}.partial"):
        (app / "releases" / name).mkdir()
    planned = prune.plan_releases(app, [], 5, app.parent / "proc")
    assert planned == {"kept": IDS[2:], "removed": IDS[:2], "swept": [f".{IDS[0]}.removed", f".{IDS[2]}.partial"]}
    prune.remove_releases(app, planned["removed"], planned["swept"])
    assert sorted(os.listdir(app / "releases")) == [f".{IDS[4]}.partial", *IDS[2:]]
    assert (app / "shared" / "x").read_text() == "mine"


def test_what_old_releases_left_in_a_checkout_is_removed(tmp_path):
    repositories = Repositories(tmp_path)
    repositories.fetch()
    for number in (0, 1, 2):
        move = layout.Move("in_place", repositories.path, IDS[number], repositories.first, repositories.second)
        layout.forward(repositories.run, move)
        layout.back(repositories.run, move)
    records = [record(0, "in_progress"), record(2, "healthy")]
    planned = prune.plan_in_place(repositories.run, repositories.path, records, 1)
    assert planned == {"kept": [IDS[0], IDS[2]], "removed": [IDS[1]], "swept": []}
    prune.remove_in_place(repositories.run, repositories.path, planned["removed"])
    refs = git(repositories.path, "for-each-ref", "--format=%(refname)", "refs/greenlight/keep").splitlines()
    assert refs == [f"refs/greenlight/keep/{IDS[number]}/{name}" for number in (0, 2) for name in ("from", "to")]
    assert sorted(os.listdir(code_git.folder_of(repositories.run, repositories.path) / "greenlight")) == [
        IDS[0],
        IDS[2],
    ]


def test_a_checkout_without_releases_has_nothing_to_remove(tmp_path):
    repositories = Repositories(tmp_path)
    assert prune.plan_in_place(repositories.run, repositories.path, [], 1)["removed"] == []


@pytest.mark.parametrize(
    "removed, swept, before",
    [(["a"], [".d.partial"], ".d.partial\na\nb\nc\n"), ([], [".d.partial"], ".d.partial\nb\nc\n"), ([], [], "b\nc\n")],
)
def test_what_is_removed_is_described_with_what_was_there(removed, swept, before):
    planned = {"kept": ["b", "c"], "removed": removed, "swept": swept}
    described = {"changed": bool(removed or swept), **planned, "diff": {"before": before, "after": "b\nc\n"}}
    assert prune.describe(planned) == described
