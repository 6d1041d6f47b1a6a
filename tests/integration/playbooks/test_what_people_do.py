# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks of what people do to a host: whatever came before, the host can be released again, and no row is lost.

GREENLIGHT_WALKS is the number of walks, GREENLIGHT_WALK_STEPS the number of actions of each. CI takes the same few each
time; ask for more before a release.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import tempfile
import time
from pathlib import Path

from git_commands import git as run_git
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from machine import App, Pm2, wait_for, warm
from one_host import Site

WALKS, STEPS = int(os.environ.get("GREENLIGHT_WALKS", "2")), int(os.environ.get("GREENLIGHT_WALK_STEPS", "5"))
REVISIONS = ("good", "better", "crash-at-load", "breaking-migration", "degraded")
STAGES = ("opened", "switching", "switched", "rolling_back")
# Short times: what is measured matters little here.
QUICK = {"greenlight_health_deadline": 8, "greenlight_retry_rejected": True, "greenlight_response_time_samples": 5}


class Host(RuleBasedStateMachine):
    """One host on which the sample app runs, and what people do to it."""

    repository = None

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="gl-")
        folder = Path(self.folder.name)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.pm2, self.app = Pm2(folder / "pm2"), App(folder, self.repository[0], port)
        self.app.check_out("good")
        self.start()
        self.site = Site(folder, self.app, self.pm2, self.repository, **QUICK)
        self.acknowledged, self.actions = set(), []

    def start(self):
        self.pm2("start", self.app.path / "ecosystem.config.js", env=self.app.env)
        wait_for(self.app.answers, "the first answer of the sample app")

    def run(self, name, *words):
        """Run a playbook to its end. It may refuse, but it says why, and it leaves no lock."""
        status, output = self.site.play(name, *words)
        self.actions.append(f"{name} {words} -> {status}")
        assert status in (0, 2) and "Traceback" not in output, f"{self.actions}\n{output}"
        locked = [record["id"] for record in self.site.records() if record["lock"]]
        assert not locked or "is held by" in output, f"{self.actions}\n{locked} still locked after\n{output}"
        return status, output

    @initialize(revision=st.sampled_from(("better", "breaking-migration")))
    def release(self, revision):
        """Begin with a release, so that there is something to roll back, to spoil and to lose."""
        self.run("deploy", "-e", f"greenlight_revision={revision}")

    @rule(revision=st.sampled_from(REVISIONS))
    def deploy(self, revision):
        self.run("deploy", "-e", f"greenlight_revision={revision}")

    @rule()
    def roll_back(self):
        self.run("rollback")

    @rule()
    def verify(self):
        self.run("verify")

    @rule(revision=st.sampled_from(REVISIONS), stage=st.sampled_from(STAGES))
    def deploy_and_die(self, revision, stage):
        self.actions.append(f"deploy {revision} and die when {stage}")
        words = ("-i", self.site.inventory, "greenlight.release.deploy", "-e", f"greenlight_revision={revision}")
        process = warm("playbooks").playbook(*words)
        known = len(self.site.records())
        ends = time.monotonic() + 120
        while process_lives(process.pid) and time.monotonic() < ends:
            newest = self.site.records()[known:]
            if newest and newest[-1]["stage"] == stage:
                break
            time.sleep(0.01)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    @rule()
    def write(self):
        with contextlib.suppress(OSError):
            self.acknowledged.add(self.app.post(f"row {len(self.acknowledged)}"))
        self.actions.append(f"{len(self.acknowledged)} rows")

    @rule(command=st.sampled_from(("delete", "stop", "restart")))
    def handle_process(self, command):
        """Let somebody use pm2 by hand."""
        self.actions.append(f"pm2 {command}")
        with contextlib.suppress(AssertionError):
            self.pm2(command, "sample-app")

    @rule()
    def end_pm2(self):
        self.actions.append("the end of PM2")
        self.pm2.end()

    @precondition(lambda self: self.app.path.exists())
    @rule(name=st.sampled_from(("server.js", "hotfix.js")))
    def edit(self, name):
        self.actions.append(f"edit {name}")
        with (self.app.path / name).open("a") as file:
            file.write("// somebody was here\n")

    @precondition(lambda self: self.app.path.exists())
    @rule(revision=st.sampled_from(REVISIONS))
    def check_out(self, revision):
        self.actions.append(f"git checkout {revision}")
        run_git(self.app.path, "checkout", "--quiet", "--force", self.repository[1][revision])

    @rule()
    def remove_checkout(self):
        self.actions.append("rm -r of the checkout")
        shutil.rmtree(self.app.path, ignore_errors=True)

    def teardown(self):
        try:
            self.put_right()
        finally:
            self.pm2.end()
            self.folder.cleanup()

    def put_right(self):
        """Be a person who rolls back, repairs by hand what that could not, closes the record and releases again."""
        status, output = self.run("rollback")
        if status != 0 and "greenlight_take_over" in output:
            self.run("rollback", "-e", "greenlight_take_over=true")
        self.repair()
        status, output = self.run("rollback", "-e", "greenlight_close_as_is=true", "-e", "greenlight_take_over=true")
        assert status == 0, f"{self.actions}\n{output}"
        status, output = self.run("deploy", "-e", "greenlight_revision=better")
        assert status == 0, f"{self.actions}\n{output}"
        assert self.site.revision() == self.repository[1]["better"]
        assert self.acknowledged <= self.rows(), f"{self.actions}\n{self.acknowledged - self.rows()} are lost"

    def repair(self):
        """Put the old revision and a database that it can use in their places, and start it."""
        if not (self.app.path / ".git").exists():
            shutil.rmtree(self.app.path, ignore_errors=True)
            run_git(self.repository[0], "clone", "--quiet", str(self.repository[0]), str(self.app.path))
        run_git(self.app.path, "checkout", "--quiet", "--force", self.repository[1]["good"])
        run_git(self.app.path, "clean", "--quiet", "--force")
        with contextlib.suppress(AssertionError):
            self.pm2("delete", "sample-app")
        if schema(self.app.database) != 1:
            usable = [path for path in self.databases() if schema(path) == 1]
            shutil.copy2(max(usable, key=lambda path: path.stat().st_mtime), self.app.database)
            for ending in ("-wal", "-shm"):
                self.app.database.with_name(f"{self.app.database.name}{ending}").unlink(missing_ok=True)
        self.start()

    def databases(self):
        """Return every database that is kept somewhere: backups, and what was set aside."""
        found = [*self.site.state.rglob("*.db"), *self.app.database.parent.rglob("*")]
        return [path for path in found if path != self.app.database and schema(path) is not None]

    def rows(self):
        """Return the rows of the live database and of all that are kept."""
        found = set()
        for path in (self.app.database, *self.databases()):
            with contextlib.closing(sqlite3.connect(path)) as database:
                found |= {row for (row,) in database.execute("SELECT id FROM items")}
        return found


def schema(path):
    """Return the version of the schema of a database, None where the file is none."""
    if not path.is_file() or path.read_bytes()[:15] != b"SQLite format 3":
        return None
    with contextlib.closing(sqlite3.connect(path)) as database:
        return database.execute("PRAGMA user_version").fetchone()[0]


def process_lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_whatever_people_do_the_host_can_be_released_again(repository):
    Host.repository = repository
    run_state_machine_as_test(
        Host,
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            derandomize="GREENLIGHT_WALKS" not in os.environ,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        ),
    )
