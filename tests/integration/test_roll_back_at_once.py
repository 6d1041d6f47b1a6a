# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new revision that fails in its own switch is rolled back in the same process; what dies there is finished later."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from machine import COLLECTIONS, MODULES, wait_for
from test_release_switch import TAKES_AWAY, release_of

__all__ = ["release_of"]
TAKES_AWAY_A_TRIGGER = f"import os, sqlite3; sqlite3.connect(os.environ['DATABASE_PATH']).execute({TAKES_AWAY!r})"
FAIL = "import sys; sys.exit('no such table: x')"


def written_by_the_new(release):
    """Return the first line of an error, None where the cursor on record leads to no line at all."""
    rules = [{"name": "listens", "pattern": "Listening"}, {"name": "all", "pattern": "Error"}]
    given = {"cursor": release.read()["facts"]["cursor"], "report_only": True, "forbid": rules}
    lines = release.must("log_assert", given)["lines"]
    assert lines["listens"]["count"] == 0, "the old revision wrote that"
    return lines["all"].get("first") or None


@pytest.mark.parametrize("step, revision", [("start", "crash-at-load"), ("migrate", "better")])
def test_a_revision_that_fails_is_rolled_back_at_once_and_the_rollback_finds_it_done(release_of, step, revision):
    release = release_of(revision)
    row = release.app.post("must survive")
    codes = [TAKES_AWAY_A_TRIGGER, FAIL] if step == "migrate" else []
    failed = release.forward(roll_back=True, migrate=[[sys.executable, "-c", code] for code in codes])
    assert (failed["failed"], failed["step"]) == (True, step), failed["msg"]
    assert "What was true before the rollback: " in failed["msg"]
    assert failed["msg"].endswith(f". It was rolled back to {release.old[:8]} at once")
    assert "start" in failed["rolled_back"]["seconds"]
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}
    assert release.sql(f"SELECT name FROM items WHERE id = {row}") == ("must survive",)
    record = release.read()
    assert (record["stage"], record["decision"], record["facts"]["rejects"]) == ("rolling_back", "rollback", True)
    assert record["facts"]["last_seen"]["processes"][0]["name"] == "sample-app"
    pid = release.pid()
    back = release.back()
    assert (back.get("msg"), back["steps"], release.pid()) == (None, [], pid)
    assert back["restored"][0]["restored"] == (step == "migrate")
    assert written_by_the_new(release) == ("Error: SETTINGS_FILE is not set" if step == "start" else None)


MOMENTS = {
    "it has noted that it rolls back": lambda release: release.read()["stage"] == "rolling_back",
    "the code is back": lambda release: release.read()["stage"] == "rolling_back" and release.head() == release.old,
    "the old revision serves": lambda release: release.read()["stage"] == "rolling_back" and release.app.answers(),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_rollback_at_once_that_is_killed_is_finished_by_the_next_one(release_of, moment):
    release = release_of("crash-at-load")
    row = release.app.post("must survive")
    given = {"ANSIBLE_MODULE_ARGS": release.arguments("forward", roll_back=True, stable_for=30)}
    words = [sys.executable, "-m", f"{MODULES}.release_switch"]
    env = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env, cwd="/") as module:
        module.stdin.write(json.dumps(given).encode())
        module.stdin.close()
        wait_for(lambda: MOMENTS[moment](release), moment)
        module.kill()
    assert "rolled_back" not in release.read()["facts"]
    taken = {"run_id": "run-2", "take_over": "any", "state": "noted", "stage": "rolling_back"}
    release.record(**taken)
    back = release.run_module("release_switch", release.arguments("back", run_id="run-2"))
    assert (back.get("msg"), "start" in back["steps"], back["restored"][0]["restored"]) == (None, True, False)
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}
    assert release.sql(f"SELECT name FROM items WHERE id = {row}") == ("must survive",)
    assert (release.read()["decision"], release.read()["facts"]["rejects"]) == ("rollback", True)


def test_another_run_that_rolls_back_does_not_believe_that_nothing_changed_meanwhile(release_of):
    release = release_of("crash-at-load")
    assert "It was rolled back to" in release.forward(roll_back=True)["msg"]
    release.pm2("stop", "sample-app")
    release.record(state="unlocked")
    given = {"run_id": "run-2", "state": "noted", "stage": "rolling_back"}
    release.record(**given)
    back = release.run_module("release_switch", release.arguments("back", run_id="run-2"))
    assert (back.get("msg"), "start" in back["steps"]) == (None, True)
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}
