# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import layout, stage_plan
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.stage_plan import Planned, Wanted
from staged_host import ID, OLD_ID, Host


@pytest.fixture(params=["in_place", "releases"])
def host(request, tmp_path):
    return Host(tmp_path, request.param)


@pytest.fixture
def in_place(tmp_path):
    return Host(tmp_path, "in_place")


@pytest.fixture
def releases(tmp_path):
    return Host(tmp_path, "releases")


@pytest.mark.parametrize("kind, place", [("in_place", "new"), ("releases", ID)])
@pytest.mark.parametrize("revision", [None, "1" * 40])
def test_another_tree_under_that_name_is_refused(tmp_path, kind, place, revision):
    host = Host(tmp_path, kind)
    path = layout.stage_path(host.run, host.wanted().move)
    path.mkdir(parents=True)
    assert path.name == place
    if revision:
        stage_plan.marker_of(host.wanted().move, path).write_text(revision)
    with pytest.raises(GitError, match=f"holds {revision or 'nothing that was staged'}, not {host.sha}"):
        host.plan()


def test_a_release_that_was_moved_already_is_not_staged_again(in_place):
    in_place.stage()
    move = Move("in_place", in_place.path, ID, in_place.repositories.first, in_place.sha, ("node_modules",))
    layout.forward(in_place.run, move)
    with pytest.raises(GitError, match="has been moved in place already; start a new release"):
        in_place.plan()


@pytest.mark.parametrize(
    "given, message",
    [
        ({"anew": ("dist",)}, "'dist' is to be rebuilt but is no built path"),
        ({"built": ("new",)}, "The built path new is a part of"),
        ({"built": ("a/b",)}, "a/b is a link or a file"),
    ],
)
def test_paths_that_cannot_be_built_are_refused(host, given, message):
    (host.running / "a").write_text("x")
    with pytest.raises(GitError, match=message):
        host.plan(**given)


def test_a_commit_that_is_not_fetched_yet_is_planned_as_far_as_it_is_known(host):
    known = host.plan()
    host.sha = "1" * 40
    planned = stage_plan.plan(host.run, host.wanted(), may_lack_commit=True)
    assert (planned.path, planned.carry_over, planned.link) == (known.path, known.carry_over, known.link)


def test_a_commit_that_is_not_there_is_reported(host):
    host.sha = "1" * 40
    with pytest.raises(GitError, match=f"does not have the commit {'1' * 40}; fetch it first"):
        host.plan()


@pytest.mark.parametrize(
    "files, shared, message",
    [
        ({"data/rows": "x"}, ("data",), "The shared path data is a part of"),
        ({"data": "x"}, ("data",), "The shared path data is a part of"),
        ({}, ("logs",), "shared/logs does not exist; create it"),
        ({"REVISION": "x"}, (), "has a file REVISION"),
    ],
)
def test_what_the_layout_releases_cannot_place_is_refused(releases, files, shared, message):
    releases.commit({"c": "1", **files})
    with pytest.raises(GitError, match=message):
        releases.plan(shared=shared)


@pytest.mark.parametrize(
    "kind, planted", [("in_place", ".git/greenlight"), ("releases", f"releases/{ID}"), ("releases", "releases")]
)
@pytest.mark.parametrize("is_link", [True, False])
def test_a_link_or_a_file_that_was_planted_is_refused(tmp_path, kind, planted, is_link):
    host = Host(tmp_path, kind)
    (tmp_path / "elsewhere").mkdir()
    place = host.path / planted
    if planted == "releases":
        place.rename(tmp_path / "moved")
    place.symlink_to(tmp_path / "elsewhere") if is_link else place.write_text("x")
    with pytest.raises(GitError, match=f"{place} is not a plain folder, and nothing is staged through links"):
        host.plan()
    assert os.listdir(tmp_path / "elsewhere") == []


def test_an_app_without_a_folder_is_reported(releases):
    wanted = Wanted(Move("releases", Path("/nonexistent"), ID, releases.sha, releases.sha))
    with pytest.raises(GitError, match="/nonexistent is not a folder"):
        stage_plan.plan(releases.run, wanted)


@pytest.mark.parametrize(
    "kind, database, replaced",
    [
        ("releases", f"releases/{OLD_ID}/data/app.db", "releases"),
        ("releases", "current/data/app.db", "releases"),
        ("in_place", "node_modules/app.db", "node_modules"),
        ("in_place", ".git/app.db", ".git"),
        ("in_place", "data/app.db", None),
        ("releases", "shared/data/app.db", None),
        ("releases", "current/shared-data/app.db", None),
    ],
)
def test_a_database_that_the_next_release_would_not_see_is_refused(tmp_path, kind, database, replaced):
    host = Host(tmp_path, kind)
    if kind == "releases":
        (host.running / "shared-data").symlink_to("../../shared/data")
    if replaced:
        with pytest.raises(GitError, match=f"lies in {host.path / replaced}, which a release replaces"):
            host.plan(databases=[host.path / database])
    else:
        assert host.plan(databases=[host.path / database]).done is False


@pytest.mark.parametrize("done", [False, True])
def test_a_plan_is_described_with_what_the_tree_will_hold(tmp_path, done):
    planned = Planned(tmp_path / "new", done, tmp_path, ("node_modules",), ("data",), 7, 4096)
    text = f"revision: {'1' * 40}\ncarried over: node_modules\nlinked: data\n"
    assert stage_plan.describe(planned, "1" * 40) == {
        "changed": not done,
        "path": str(tmp_path / "new"),
        "carried_over": ["node_modules"],
        "linked": ["data"],
        "files": 7,
        "bytes": 4096,
        "diff": {"before": text if done else "", "after": text},
    }
