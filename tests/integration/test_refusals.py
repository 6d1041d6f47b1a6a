# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the system refuses, a file or room on the disk, is one sentence, and nothing is lost."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sqlite3
import subprocess
import sys

import pytest
from git_commands import git
from machine import COLLECTIONS, MODULES, fill
from small_app import SmallApp

SHA = ["0" * 40, "1" * 40]
RELEASE = {
    "app": "shop",
    "release_id": "20260219T020000Z-11111111",
    "from_revision": SHA[0],
    "to_revision": SHA[1],
    "run_id": "a",
}


def run_with(files, name, arguments):
    """Run a module that may have so many files open, and return what it answered."""
    done = subprocess.run(
        [sys.executable, "-m", f"{MODULES}.{name}"],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def arguments(tmp_path):
    """Return what each module is asked for."""
    (tmp_path / "data").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "app.db")) as opened:
        opened.execute("CREATE TABLE t (x)")
    git(tmp_path, "init", "--quiet", str(tmp_path / "app"))
    (tmp_path / "out.log").write_text("a line\n")
    return {
        "git_revision": {"state": "read", "path": str(tmp_path / "app")},
        "log_assert": {"files": [{"path": str(tmp_path / "out.log"), "stream": "out"}], "tail_bytes": 9},
        "pm2_process": {"name": "shop", "state": "restarted", "pm2_home": str(tmp_path)},
        "pm2_process_info": {"name": "shop", "pm2_home": str(tmp_path)},
        "release_record": {"state": "opened", "state_path": str(tmp_path / "state"), **RELEASE},
        "sqlite_backup": {"path": str(tmp_path / "data" / "app.db"), "dest": str(tmp_path / "backups")},
        "sqlite_backup_info": {"path": str(tmp_path / "data" / "app.db")},
    }


@pytest.mark.parametrize("files", [5, 6, 9])
@pytest.mark.parametrize(
    "name",
    [
        *("git_revision", "log_assert", "pm2_process", "pm2_process_info", "release_record", "sqlite_backup"),
        "sqlite_backup_info",
    ],
)
def test_too_many_open_files_are_one_sentence(arguments, name, files):
    answer = run_with(files, name, arguments[name])
    allowed = ("Too many open files", "No PM2 daemon", "PM2 knows no process", "unable to open database file", "git")
    assert not answer.get("failed") or any(each in answer["msg"] for each in allowed), answer["msg"]


def test_too_many_open_files_while_an_app_is_restarted_are_one_sentence(shared_pm2, tmp_path, free_port, run_module):
    given = shared_pm2.arguments(name="small", stable_for=0.5, **SmallApp(tmp_path / "app", free_port).arguments())
    assert run_module("pm2_process", given)["changed"] is True
    refused = [run_with(files, "pm2_process", {**given, "state": "restarted"}).get("msg", "") for files in (5, 6, 7)]
    assert "The system refused the work: Too many open files" in " ".join(refused)


def test_a_full_state_path_refuses_a_release_and_lets_one_that_has_begun_end(tmp_path, mount, run_module):
    state = mount(tmp_path / "state", 3)
    given = {"state_path": str(state), **RELEASE}
    assert run_module("release_record", {**given, "state": "opened"})["changed"] is True
    fill(state / "filler")
    facts = {"backup": "/backups/shop.db"}
    for state_of_it in (
        {"state": "noted", "stage": "switching", "facts": facts},
        {"state": "closed", "outcome": "failed"},
    ):
        answer = run_module("release_record", {"state_path": str(state), "run_id": "a", **state_of_it})
        assert answer["changed"] is True, answer
    fill(state / "more")
    again = {**given, "release_id": "20260219T030000Z-22222222", "to_revision": "2" * 40, "state": "opened"}
    answer = run_module("release_record", again)
    assert (answer["failed"], "No space left on device; free some space first" in answer["msg"]) == (True, True), answer
    listed = run_module("release_record_info", {"state_path": str(state)})
    assert [each["status"] for each in listed["releases"]] == ["failed"]
