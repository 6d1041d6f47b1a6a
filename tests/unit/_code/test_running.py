# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import time

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import running
from ansible_collections.greenlight.release.plugins.module_utils._code.running import Began, Running
from git_commands import git
from git_repositories import Repositories

OTHER = "c" * 40
EARLIER, LATER = 1_700_000_000, 1_700_000_100


@pytest.fixture
def place(tmp_path):
    """A checkout that was cloned at the first commit, and moved to the second one a hundred seconds later."""
    made = Repositories(tmp_path)
    made.fetch()
    git(made.path, "update-ref", "refs/heads/next", made.second)
    log = made.path / ".git" / "logs" / "HEAD"
    git(made.path, "checkout", "--quiet", "--detach", made.second)
    rows = log.read_text().splitlines()
    at = [EARLIER] * (len(rows) - 1) + [LATER]
    log.write_text("".join(f"{set_time(row, when)}\n" for row, when in zip(rows, at)))
    return made


def set_time(row, when):
    head, _tab, message = row.partition("\t")
    who, _time, zone = head.rsplit(" ", 2)
    return f"{who} {when} {zone}\t{message}"


def began(at, pid=7, revision="", repository="", folder=""):
    return Began(pid, at, folder, revision, repository)


def find(place, *processes, kept=()):
    return running.find(place.run, "in_place", place.path, place.second, processes, kept)


def test_a_process_runs_what_was_in_place_when_it_began(place):
    assert find(place, began(LATER), began(LATER + 0.5)) == Running(place.second)
    moved = find(place, began(EARLIER + 5))
    assert moved.revision == place.first
    assert moved.told == (
        f"The app runs {place.first}, while {place.second} is in place in {place.path}: the code was moved without a "
        "restart of the app"
    )


def test_what_pm2_found_counts_where_git_does_not_know(place, tmp_path):
    """PM2 keeps an old finding where it could not look again."""
    assert find(place, began(LATER, revision=place.first, repository=str(place.path))) == Running(place.second)
    before = EARLIER - 5
    assert find(place, began(before, revision=OTHER, repository=str(place.path))).revision == OTHER
    (tmp_path / "link").symlink_to(place.path)
    linked = began(before, revision=place.second, repository=str(tmp_path / "link"))
    assert find(place, linked) == Running(place.second)
    assert find(place, began(before, revision=OTHER, repository="/srv/other")).revision == ""


def test_a_reflog_that_is_not_kept_any_more_says_nothing(place):
    log = place.path / ".git" / "logs" / "HEAD"
    log.write_text(log.read_text().splitlines()[0] + "\n")
    unknown = find(place, began(LATER + 5))
    assert (unknown.revision, unknown.told) == (
        "",
        f"Nobody can say which revision process 7 runs, so it is not taken to run {place.second}",
    )
    log.unlink()
    assert find(place, began(LATER + 5)).revision == ""


def test_nothing_that_runs_runs_no_revision(place):
    found = find(place)
    assert (found.revision, "No process of the app runs" in found.told) == ("", True)


def test_processes_of_two_revisions_run_none(place):
    found = find(place, began(LATER), began(EARLIER, pid=8))
    assert (found.revision, place.first in found.told, place.second in found.told) == ("", True, True)


@pytest.mark.parametrize("kept, runs_head", [([], False), ([(0, 1)], True), ([(1, 0)], False)])
def test_a_release_that_had_not_to_restart_the_app_left_it_as_good_as_new(place, kept, runs_head):
    ends = (place.first, place.second)
    found = find(place, began(EARLIER), kept=[(ends[old], ends[new]) for old, new in kept])
    assert (found.revision == place.second) is runs_head


ID, OLD_ID = "20260219T020000Z-bbbbbbbb", "20260218T020000Z-aaaaaaaa"


@pytest.fixture
def releases(tmp_path):
    for name, revision in ((ID, "b" * 40), (OLD_ID, "a" * 40)):
        (tmp_path / "releases" / name).mkdir(parents=True)
        (tmp_path / "releases" / name / "REVISION").write_text(revision)
    (tmp_path / "releases" / "broken").mkdir()
    (tmp_path / "current").symlink_to(f"releases/{ID}")
    return tmp_path


@pytest.mark.parametrize(
    "folder, age, revision",
    [
        (f"releases/{ID}", 100, "b" * 40),
        (f"releases/{ID}/backend", 100, "b" * 40),
        (f"releases/{OLD_ID}", -100, "a" * 40),
        ("releases/broken", -100, ""),
        ("elsewhere", -100, "b" * 40),
        ("elsewhere", 100, ""),
        ("", 100, ""),
    ],
)
def test_the_folder_of_a_release_shows_what_runs_there_and_else_the_link(releases, folder, age, revision):
    folder = os.path.realpath(releases / folder) if folder else ""
    process = began(time.time() - age, folder=folder)
    found = running.find(None, "releases", releases, "b" * 40, [process], ())
    assert found.revision == revision


def test_only_what_is_online_is_read():
    shown = {"pid": 7, "status": "online", "started_at": 1500, "revision": OTHER, "repository": "/srv", "works_in": "/"}
    read = running.read([shown, {**shown, "status": "stopped"}, {**shown, "pid": 0}])
    assert read == [Began(7, 1.5, "/", OTHER, "/srv")]
    assert running.read(None) is None
