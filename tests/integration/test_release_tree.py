# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a revision next to the running one, made and removed by the real modules on real file systems."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from git_commands import git
from machine import call_module, wait_for

IDS = [f"2026021{day}T020000Z-0639294{day}" for day in range(5)]


def snapshot(folder):
    """Return every file with its content, and every link with where it leads."""
    paths = [Path(base) / name for base, folders, files in os.walk(folder) for name in [*folders, *files]]
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.is_dir() or path.read_bytes()
        for path in paths
    }


class Releases:
    """An app in the layout releases, with records, whose releases are staged by the module and made current."""

    def __init__(self, folder, repository):
        self.path, self.state_path, self.repository = folder / "app", folder / "state", repository
        (self.path / "shared" / "data").mkdir(parents=True)
        self.shas = repository[1]

    def fetch(self, revision, check=False):
        given = {"path": str(self.path), "repository": f"file://{self.repository[0]}", "sha": self.shas[revision]}
        return call_module("git_revision", {"state": "fetched", "layout": "releases", **given}, check=check)

    def stage(self, number, revision, check=False, diff=False, **more):
        given = {
            "path": str(self.path),
            "release_id": IDS[number],
            "sha": self.shas[revision],
            "shared_paths": ["data"],
            **more,
        }
        return call_module("release_tree", {"state": "staged", "layout": "releases", **given}, check=check, diff=diff)

    def move(self, number, before, revision, verb):
        given = layout.Move("releases", self.path, IDS[number], self.shas[before], self.shas[revision])
        environment = code_git.make_environment(os.environ, {})
        verb(code_git.make_run(environment, 30, str(layout.repository_of("releases", self.path))), given)

    def record(self, number, before, revision, outcome):
        given = {"state_path": str(self.state_path), "run_id": IDS[number], "release_id": IDS[number]}
        opening = {"app": "shop", "from_revision": self.shas[before], "to_revision": self.shas[revision]}
        opened = call_module("release_record", {"state": "opened", "retry_rejected": True, **given, **opening})
        assert "failed" not in opened
        if outcome:
            closed = call_module("release_record", {"state": "closed", "outcome": outcome, **given})
            assert "failed" not in closed

    def prune(self, keep, **more):
        given = {"path": str(self.path), "state_path": str(self.state_path), "keep": keep}
        return call_module("release_tree", {"state": "pruned", "layout": "releases", **given}, **more)


@pytest.fixture
def releases(tmp_path, repository):
    """An app whose first release is current."""
    made = Releases(tmp_path, repository)
    assert made.fetch("good")["head"] == ""
    made.stage(0, "good")
    (made.path / "current").symlink_to(f"releases/{IDS[0]}")
    return made


def test_a_release_is_staged_made_current_and_rolled_back(releases):
    (releases.path / "releases" / IDS[0] / "node_modules").mkdir()
    (releases.path / "releases" / IDS[0] / "node_modules" / "x").write_text("built")
    fetched = releases.fetch("better")
    assert (fetched["head"], fetched["changed_paths"]) == (releases.shas["good"], ["items.js"])
    before = snapshot(releases.path)
    rehearsed = releases.stage(1, "better", check=True, diff=True)
    assert snapshot(releases.path) == before
    staged = releases.stage(1, "better", diff=True)
    assert {name: staged[name] for name in rehearsed} == rehearsed
    assert (staged["changed"], staged["carried_over"], staged["linked"]) == (True, ["node_modules"], ["data"])
    assert staged["diff"] == {
        "before": "",
        "after": f"revision: {releases.shas['better']}\ncarried over: node_modules\nlinked: data\n",
    }
    assert releases.stage(1, "better")["changed"] is False
    (Path(staged["path"]) / "data" / "app.db").write_text("rows")
    assert (releases.path / "shared" / "data" / "app.db").read_text() == "rows"
    exported = git(releases.path / "repository", "show", f"{releases.shas['better']}:items.js")
    assert (Path(staged["path"]) / "items.js").read_text().strip() == exported
    for verb, number in ((layout.forward, 1), (layout.back, 0), (layout.back, 0)):
        releases.move(1, "good", "better", verb)
        assert os.readlink(releases.path / "current") == f"releases/{IDS[number]}"
    assert releases.fetch("better")["head"] == releases.shas["good"]


def test_every_file_of_the_commit_is_staged_with_its_mode(releases):
    listed = git(releases.path / "repository", "ls-tree", "-r", releases.shas["good"]).splitlines()
    modes = {line.split("\t")[1]: line.split()[0] for line in listed}
    folder = releases.path / "releases" / IDS[0]
    staged = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.name != "REVISION"}
    assert staged == set(modes)
    assert all(bool((folder / name).stat().st_mode & 0o100) == (modes[name] == "100755") for name in modes)


def test_pruning_keeps_what_can_still_be_needed(releases):
    revisions = ["good", "better", "slower", "wasteful", "degraded"]
    releases.record(0, "degraded", "good", "healthy")
    for number in range(1, 5):
        releases.fetch(revisions[number])
        releases.stage(number, revisions[number])
    releases.record(1, "good", "better", "healthy")
    releases.move(1, "good", "better", layout.forward)
    releases.record(2, "better", "slower", "rolled_back")
    releases.record(3, "better", "wasteful", None)
    (releases.path / "releases" / f".{IDS[2]}.partial").mkdir()
    before = snapshot(releases.path)
    rehearsed = releases.prune(1, check=True, diff=True)
    assert (snapshot(releases.path), rehearsed["changed"]) == (before, True)
    with subprocess.Popen(["tail", "-f", "/dev/null"], cwd=releases.path / "releases" / IDS[4]) as process:
        try:
            kept = releases.prune(1)
        finally:
            process.kill()
    assert (kept["removed"], kept["swept"]) == ([IDS[2]], [f".{IDS[2]}.partial"])
    pruned = releases.prune(1, diff=True)
    assert (pruned["removed"], pruned["kept"]) == ([IDS[4]], [IDS[0], IDS[1], IDS[3]])
    assert pruned["diff"]["before"] == "".join(f"{IDS[number]}\n" for number in (0, 1, 3, 4))
    assert releases.prune(1)["changed"] is False
    assert (releases.path / "current" / "REVISION").read_text().strip() == releases.shas["better"]


def test_a_running_app_keeps_its_release_although_current_leads_elsewhere(releases):
    releases.fetch("better")
    releases.stage(1, "better")
    releases.stage(2, "better")
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=releases.path / "current"
    ) as app:
        wait_for(lambda: os.path.realpath(f"/proc/{app.pid}/cwd").endswith(IDS[0]), "the app")
        (releases.path / "current").unlink()
        (releases.path / "current").symlink_to(f"releases/{IDS[1]}")
        assert releases.prune(1)["kept"] == [IDS[0], IDS[1]]
        app.kill()
    assert releases.prune(1)["kept"] == [IDS[1]]


@pytest.mark.parametrize("inside", ["releases/{id}/app.db", "current/app.db"])
def test_a_database_inside_a_release_is_refused(releases, inside):
    database = releases.path / inside.format(id=IDS[0])
    database.write_text("rows")
    releases.fetch("better")
    answer = releases.stage(1, "better", databases=[str(database)])
    assert f"lies in {releases.path / 'releases'}, which a release replaces" in answer["msg"]
    assert os.listdir(releases.path / "releases") == [IDS[0]]


@pytest.mark.parametrize(
    "given, message",
    [
        ({"release_id": "../../x"}, "The release id must look like"),
        ({"sha": "main"}, "A revision must be a full commit SHA"),
        ({"built_paths": ["../x"]}, "A built path must be relative to the app"),
        ({"shared_paths": ["missing"]}, "shared/missing does not exist; create it"),
        ({"layout": "in_place"}, "shared_paths are for the layout releases"),
        ({"path": "/nonexistent"}, "/nonexistent"),
        ({"state": "pruned", "keep": 0, "state_path": "/nonexistent"}, "At least 1 release must be kept, not 0"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(releases, given, message):
    before = snapshot(releases.path)
    answer = releases.stage(1, "good", **given)
    assert (answer["failed"], message in answer["msg"], snapshot(releases.path)) == (True, True, before)


@pytest.fixture
def checkout(tmp_path, repository):
    """A clone of the sample app at revision good, with the next one fetched and something built."""
    path = tmp_path / "app"
    git(tmp_path, "clone", "--quiet", "--branch=good", f"file://{repository[0]}", str(path))
    (path / "node_modules").mkdir()
    (path / "node_modules" / "x").write_text("built")
    (path / ".git" / "info" / "exclude").write_text("node_modules\n")
    return path


def stage_next_to(checkout, repository, **more):
    given = {"path": str(checkout), "release_id": IDS[1], "sha": repository[1]["better"], **more}
    return call_module("release_tree", {"state": "staged", **given})


def test_a_tree_next_to_a_checkout_leaves_all_of_the_checkout_alone(checkout, repository):
    before, index = snapshot(checkout), (checkout / ".git" / "index").stat().st_mtime_ns
    staged = stage_next_to(checkout, repository, built_anew=["node_modules"])
    assert (staged["path"], staged["carried_over"]) == (str(checkout / ".git" / "greenlight" / IDS[1] / "new"), [])
    after = {name: text for name, text in snapshot(checkout).items() if not name.startswith(".git/greenlight")}
    assert (after, (checkout / ".git" / "index").stat().st_mtime_ns) == (before, index)
    assert git(checkout, "status", "--porcelain") == ""


@pytest.mark.parametrize("size", [12, 40])
def test_a_full_disk_costs_only_the_new_tree(tmp_path, mount, repository, size):
    """On the small one the space is missed at once, on the other git itself runs out of it: a filter writes 60 MiB."""
    path = mount(tmp_path / "disk", size) / "app"
    git(path.parent, "clone", "--quiet", "--branch=good", f"file://{repository[0]}", str(path))
    (path / ".git" / "info" / "attributes").write_text("items.js filter=huge\n")
    git(path, "config", "filter.huge.smudge", "head -c 60M /dev/zero")
    before = snapshot(path)
    answer = stage_next_to(path, repository)
    expected = "There is no space for the new files" if size == 12 else "There is no space left in"
    assert (answer["failed"], expected in answer["msg"]) == (True, True), answer["msg"]
    left = snapshot(path)
    assert {name: text for name, text in left.items() if not name.startswith(".git/greenlight")} == before
    assert [name for name in left if name.startswith(".git/greenlight") and left[name] is not True] == []


def test_old_built_paths_of_a_checkout_are_pruned_but_not_those_of_the_newest_release(checkout, repository, tmp_path):
    sha = repository[1]
    environment = code_git.make_environment(os.environ, {})
    run = code_git.make_run(environment, 30, str(checkout))
    for number, (before, after) in enumerate([("good", "better"), ("better", "good"), ("good", "better")]):
        given = {"path": str(checkout), "release_id": IDS[number], "sha": sha[after]}
        assert call_module("release_tree", {"state": "staged", **given})["carried_over"] == ["node_modules"]
        layout.forward(run, layout.Move("in_place", checkout, IDS[number], sha[before], sha[after], ("node_modules",)))
    opening = {
        "app": "shop",
        "from_revision": sha["good"],
        "to_revision": sha["better"],
        "state_path": str(tmp_path / "s"),
    }
    call_module("release_record", {"state": "opened", "run_id": "x", "release_id": IDS[0], **opening})
    given = {"state": "pruned", "path": str(checkout), "state_path": str(tmp_path / "s"), "keep": 1}
    assert call_module("release_tree", given)["removed"] == [IDS[1], IDS[2]]
    assert (checkout / "node_modules" / "x").read_text() == "built"
