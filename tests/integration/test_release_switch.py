# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real switch of the real sample app, forward and back, and what is true when a step of it fails."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import sqlite3
import sys
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._release.record import parse_time
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
from git_commands import git
from machine import wait_for

RUN = "run-1"


class Release:
    """A release of the sample app that was opened and backed up, and is to be switched."""

    def __init__(self, run_module, pm2, app, repository, state, revision):
        self.run_module, self.pm2, self.app, self.state = run_module, pm2, app, state
        self.shas, self.revision = repository[1], revision
        self.old, self.new = self.shas["good"], self.shas[revision]
        self.id = f"20260219T020000Z-{self.new[:8]}"

    def record(self, **arguments):
        return self.must("release_record", {"state_path": str(self.state), "run_id": RUN, **arguments})["record"]

    def must(self, name, arguments, **more):
        result = self.run_module(name, arguments, **more)
        assert not result.get("failed"), result["msg"]
        return result

    def open(self, **more):
        logs = [{"path": f"{self.pm2.home}/logs/sample-app-{name}.log", "stream": name} for name in ("out", "error")]
        facts = {
            "app_path": str(self.app.path),
            "process_name": "sample-app",
            "pm2_home": str(self.pm2.home),
            "databases": [{"path": str(self.app.database)}],
            "log_files": [{**log, "stream": log["stream"][:3]} for log in logs],
            **more,
        }
        given = {"app": "sample-app", "release_id": self.id, "from_revision": self.old, "to_revision": self.new}
        self.record(state="opened", facts=facts, **given)
        given = {"path": str(self.app.database), "dest": str(self.state / "backups"), "release_id": self.id}
        self.backup = self.must("sqlite_backup", given)["backup"]["path"]
        return self

    def arguments(self, direction, **more):
        given = {"direction": direction, "state_path": str(self.state), "run_id": RUN, "port": self.app.port}
        if direction == "forward":
            given["backups"] = [self.backup]
        return {**given, "stable_for": 1, "timeout": 20, "executable": self.pm2.executable, **more}

    def forward(self, check=False, **more):
        return self.run_module("release_switch", self.arguments("forward", **more), check=check)

    def back(self, check=False, **more):
        self.record(state="noted", stage="rolling_back")
        return self.run_module("release_switch", self.arguments("back", **more), check=check)

    def read(self):
        return json.loads((self.state / "releases" / f"{self.id}.json").read_text())

    def head(self):
        return git(self.app.path, "rev-parse", "HEAD")

    def pid(self):
        listed = self.run_module("pm2_process_info", {"pm2_home": str(self.pm2.home), "name": "sample-app"})
        return listed["processes"][0]["pid"]

    def sql(self, statement):
        with contextlib.closing(sqlite3.connect(self.app.database, timeout=10)) as opened:
            row = opened.execute(statement).fetchone()
            opened.commit()
            return row


@pytest.fixture
def release_of(run_module, pm2, running, repository, tmp_path):
    return lambda revision, **facts: Release(run_module, pm2, running, repository, tmp_path / "state", revision).open(
        **facts
    )


def test_a_switch_goes_forward_keeps_the_last_write_and_rolls_back(release_of):
    release = release_of("better")
    row = release.app.post("written after the backup was taken")
    forward = release.forward()
    assert forward.get("msg") is None
    assert release.app.get("/health") == {"status": "ok", "revision": release.new}
    (known,) = release.read()["facts"]["databases"]
    assert (release.read()["stage"], [known["backup"]]) == ("switched", forward["backups"])
    assert release.read()["facts"]["cursor"] == forward["cursor"]
    assert set(forward["seconds"]) == {"check", *forward["steps"]}
    assert 0 < forward["port_closed_for"] < 5
    assert forward["before"][0]["pid"] != forward["after"][0]["pid"]
    release.sql("DROP TABLE items")
    back = release.back()
    assert back.get("msg") is None
    assert (back["restored"][0]["restored"], "table items is gone" in back["restored"][0]["reason"]) == (True, True)
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}
    assert release.sql(f"SELECT name FROM items WHERE id = {row}") == ("written after the backup was taken",)


@pytest.mark.parametrize("database, rows_lost", [("auto", False), ("keep", False), ("restore", True)])
def test_a_rollback_treats_the_database_as_asked(release_of, database, rows_lost):
    release = release_of("better")
    assert release.forward().get("msg") is None
    row = release.app.post("written to the new revision")
    back = release.back(database=database)
    assert back.get("msg") is None
    assert (release.sql(f"SELECT 1 FROM items WHERE id = {row}") is None) == rows_lost
    assert back["restored"][0]["restored"] == rows_lost


TAKES_AWAY = "CREATE TRIGGER guard AFTER DELETE ON items BEGIN SELECT 1; END"


def age(release):
    file = release.state / "releases" / f"{release.id}.json"
    file.write_text(json.dumps({**release.read(), "switched_at": "2026-02-18T06:00:00Z"}))


@pytest.mark.parametrize("migration", ["CREATE TABLE day_20260219 (x)", "ALTER TABLE items ADD COLUMN note TEXT"])
def test_what_was_only_added_never_costs_a_row(release_of, migration):
    release = release_of("better")
    assert release.forward().get("msg") is None
    release.sql(migration)
    row = release.app.post("written to the new revision")
    Path(release.read()["facts"]["databases"][0]["backup"]).unlink()
    back = release.back()
    assert (back.get("msg"), back["restored"][0]["restored"]) == (None, False)
    assert back["restored"][0]["reason"] == "the old code can use the schema, which was only added to"
    assert release.sql(f"SELECT 1 FROM items WHERE id = {row}") == (1,)
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}


def test_the_old_revision_is_tried_with_the_migrated_database_before_the_switch(release_of):
    release = release_of("better")
    stage(release)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    migrate = [[sys.executable, "-c", ADD_COLUMN]]
    forward = release.forward(rehearse="auto", migrate=migrate, trial_port=port)
    assert (forward.get("msg"), forward["trial"]["reason"]) == (None, "")
    assert release.read()["facts"]["old_code"] == ""
    back = release.back()
    assert (back.get("msg"), back["restored"][0]["restored"]) == (None, False)
    assert back["restored"][0]["reason"].endswith("which was only added to, and was seen to run with it")


@pytest.mark.parametrize("answer, kept", [("keep", True), ("restore", False)])
def test_late_a_person_is_asked_before_the_app_is_stopped(release_of, answer, kept):
    release = release_of("better")
    assert release.forward().get("msg") is None
    release.sql(TAKES_AWAY)
    row = release.app.post("written to the new revision")
    age(release)
    pid = release.pid()
    rehearsed = release.back(check=True)["restored"][0]
    assert (rehearsed["restored"], rehearsed["lost"]) == (False, "items: 1 row newer than the backup")
    back = release.back()
    assert (back["step"], "A person must decide" in back["msg"]) == ("check", True)
    assert "trigger guard is new on items" in back["msg"]
    assert "items: 1 row newer than the backup" in back["msg"]
    assert (release.pid(), release.app.get("/health")["revision"]) == (pid, release.new)
    answered = release.back(database=answer)
    assert (answered.get("msg"), answered["restored"][0]["restored"]) == (None, not kept)
    assert (release.sql(f"SELECT 1 FROM items WHERE id = {row}") == (1,)) == kept


def test_a_changed_ecosystem_file_is_told(release_of):
    release = release_of("better")
    git(release.app.path, "checkout", "--quiet", "--detach", release.new)
    file = release.app.path / "ecosystem.config.js"
    file.write_text(file.read_text() + "// changed\n")
    git(release.app.path, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--all", "--message=change")
    changed = release.head()
    git(release.app.path, "checkout", "--quiet", release.old)
    record = release.read()
    (release.state / "releases" / f"{release.id}.json").write_text(json.dumps({**record, "to_revision": changed}))
    forward = release.forward()
    assert forward.get("msg") is None
    assert "ecosystem.config.js differs between" in str(forward["warnings"])


def test_an_unreadable_log_does_not_stop_a_rollback(release_of):
    release = release_of("better")
    assert release.forward().get("msg") is None
    log = Path(release.read()["facts"]["log_files"][0]["path"])
    log.rename(log.with_name("elsewhere"))
    log.symlink_to("elsewhere")
    back = release.back()
    assert (back.get("msg"), back["cursor"]) == (None, {})
    assert "The log was not marked" in str(back["warnings"])
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}


def test_a_backup_is_restored_once_however_often_the_rollback_begins(release_of):
    release = release_of("better")
    assert release.forward().get("msg") is None
    release.app.post("written to the new revision")
    assert release.back(database="restore")["restored"][0]["restored"] is True
    assert release.read()["facts"]["databases"][0]["restored"]["restored"] is True
    row = release.app.post("written to the old revision, before the rollback that died was finished")
    again = release.back(database="restore")
    assert (again.get("msg"), again["restored"][0]["restored"]) == (None, False)
    assert release.sql(f"SELECT 1 FROM items WHERE id = {row}") == (1,)


def test_a_rollback_starts_the_app_that_ended_with_pm2(release_of):
    release = release_of("better")
    assert release.forward().get("msg") is None
    release.pm2("save")
    app, daemon = release.pid(), int((release.pm2.home / "pm2.pid").read_text())
    for pid in (daemon, app):
        os.kill(pid, signal.SIGKILL)
    assert release.back().get("msg") is None
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}


def test_a_rollback_waits_for_a_switch_whose_run_is_dead(release_of):
    release = release_of("better")
    release.forward()
    with (release.state / ".switch").open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        message = release.back(timeout=1)["msg"]
    assert "of another run has been at the switch for 1 seconds; wait, or end it" in message
    assert release.app.get("/health")["revision"] == release.new
    assert release.back().get("msg") is None


# What npm starts, and what leaves the group of its command: it drops the table when somebody lets it.
OUTLIVES = """
import os, pathlib, sqlite3, subprocess, sys, threading
if len(sys.argv) < 2:
    subprocess.run([sys.executable, __file__, "again"], start_new_session=True)
else:
    folder = pathlib.Path(__file__).parent
    (folder / "begun").write_text(str(os.getpid()))
    while not (folder / "go on").exists():
        threading.Event().wait(0.01)
    with sqlite3.connect(os.environ["DATABASE_PATH"], timeout=30) as opened:
        opened.execute("DROP TABLE items")
"""


def test_a_migration_that_outlives_its_module_is_ended_before_the_database_is_judged(release_of, tmp_path):
    release = release_of("better")
    (tmp_path / "outlives.py").write_text(OUTLIVES)
    begun = tmp_path / "begun"
    migrate = [[sys.executable, str(tmp_path / "outlives.py")]]
    with contextlib.ExitStack() as ending:
        thread = threading.Thread(target=ended_by_a_signal, args=(release, migrate))
        thread.start()
        ending.callback(thread.join)
        pid = int(wait_for(lambda: begun.exists() and begun.read_text(), "the migration"))
        os.kill(int((release.state / ".switch").read_text()), signal.SIGKILL)
    try:
        back = release.back()
    finally:
        (tmp_path / "go on").touch()
        wait_for(lambda: not Path(f"/proc/{pid}").exists(), "the end of the migration")
    assert back.get("msg") is None
    assert f"{pid} (" in str(back["warnings"])
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}
    assert release.sql("SELECT count(*) FROM items")


def ended_by_a_signal(release, migrate):
    with pytest.raises(ValueError, match="Expecting value"):
        release.forward(migrate=migrate)


def test_check_mode_judges_and_touches_nothing(release_of):
    release = release_of("better")
    before = (release.pid(), release.read(), sorted(release.state.rglob("*")))
    assert release.forward(check=True, migrate=[["true"]])["steps"][:3] == ["mark", "note_switching", "stop"]
    assert (release.pid(), release.read(), sorted(release.state.rglob("*"))) == before
    # A record that was opened in check mode is not on the host, no more than its backup.
    opened = {**release.read(), "id": "20260219T030000Z-00000000"}
    given = {"record": opened, "backups": [str(release.state / "backups" / "planned.db")]}
    assert release.forward(check=True, **given).get("msg") is None
    assert "cannot be searched" not in str(release.forward(check=True, executable="/nonexistent/pm2"))


def test_phases_leave_room_for_what_others_do_between_them(release_of):
    release = release_of("better")
    moved = release.forward(phase="before_migrate")
    assert (moved.get("msg"), moved["steps"][-1]) == (None, "note_switched")
    assert (release.head(), release.app.answers()) == (release.new, None)
    begun = release.forward(phase="from_migrate", migrate=[["touch", "migrated"]])
    assert (begun.get("msg"), begun["steps"]) == (None, ["migrate", "start", "restart_others"])
    assert (release.app.path / "migrated").exists()
    assert release.app.get("/health")["revision"] == release.new


def test_other_processes_are_restarted_after_the_app(release_of, tmp_path):
    release = release_of("better")
    (tmp_path / "worker.js").write_text("setInterval(() => {}, 1000)")
    release.pm2("start", tmp_path / "worker.js", "--name", "worker")
    about = {"pm2_home": str(release.pm2.home), "name": "worker", "port": 0}
    old = release.must("pm2_process_info", about)["processes"][0]["pid"]
    app = release.pid()
    result = release.forward(restart=["worker"], restart_app=False)
    assert (result.get("msg"), "stop" in result["steps"]) == (None, False)
    assert release.must("pm2_process_info", about)["processes"][0]["pid"] != old
    assert (release.pid(), release.head()) == (app, release.new)


@pytest.mark.parametrize("more", [("--cron-restart", "0 0 1 1 *"), ()])
def test_a_job_that_has_ended_is_not_started_off_schedule_and_rejects_no_release(release_of, tmp_path, more):
    release, ran = release_of("better"), tmp_path / "ran"
    (tmp_path / "job.js").write_text(f"require('fs').appendFileSync({json.dumps(str(ran))}, 'x'); process.exit(0)")
    release.pm2("start", tmp_path / "job.js", "--name", "job", "--no-autorestart", *more)

    def status():
        return next(each["pm2_env"]["status"] for each in release.pm2.processes() if each["name"] == "job")

    wait_for(lambda: ran.exists() and status() == "stopped", "the end of the job")
    assert release.forward(restart=["job"]).get("msg") is None
    assert release.back(restart=["job"]).get("msg") is None
    assert (status(), ran.read_text()) == ("stopped", "x")


READS_THE_DATABASE = """
const { DatabaseSync } = require("node:sqlite");
const database = new DatabaseSync(process.env.DATABASE_PATH);
setInterval(() => database.prepare("SELECT count(*) FROM items").get(), 20);
"""


def test_a_worker_on_the_same_database_is_stopped_for_the_migration_and_for_the_restore(release_of, tmp_path):
    release = release_of("better")
    (tmp_path / "worker.js").write_text(READS_THE_DATABASE)
    release.pm2("start", tmp_path / "worker.js", "--name", "worker", env=release.app.env)
    database = release.app.database
    refuse_a_holder = (
        f"import os, sys; files = [os.readlink('/proc/%s/fd/%s' % (p, f)) for p in sys.argv[1:] "
        f"if os.path.isdir('/proc/' + p) for f in os.listdir('/proc/%s/fd' % p)]; sys.exit({str(database)!r} in files)"
    )
    about = {"pm2_home": str(release.pm2.home), "name": "worker", "port": 0}
    worker = release.must("pm2_process_info", about)["processes"][0]["pid"]
    migrate = [
        [sys.executable, "-c", refuse_a_holder, str(worker)],
        [
            sys.executable,
            "-c",
            f"import sqlite3; sqlite3.connect({str(database)!r}).execute({TAKES_AWAY!r})",
        ],
    ]
    # Nobody has listed the worker.
    wait_for(lambda: str(database) in proc.open_paths([worker]), "a worker that has the database open")
    forward = release.forward(migrate=migrate)
    assert (forward.get("msg"), "worker has the database open; it is stopped" in str(forward["warnings"])) == (
        None,
        True,
    )
    back = release.back()
    assert (back.get("msg"), back["restored"][0]["restored"]) == (None, True)
    assert release.must("pm2_process_info", about)["processes"][0]["status"] == "online"


# Opens the database, writes a row, closes it, and only then says that the row is there.
WRITES_ALL_THE_TIME = """
const { DatabaseSync } = require("node:sqlite"), fs = require("node:fs");
const write = () => {
  const database = new DatabaseSync(process.env.DATABASE_PATH, { timeout: 5000 });
  const { lastInsertRowid } = database.prepare("INSERT INTO beats VALUES (NULL)").run();
  database.close();
  fs.appendFileSync(process.env.SAID, `${lastInsertRowid}\\n`);
  setTimeout(write, 20);
};
write();
"""
# Writes down how many rows there are, then waits for the next one as long as it takes a worker to write some.
COUNTS = """
import contextlib, os, pathlib, sqlite3, sys, time
def count():
    with contextlib.closing(sqlite3.connect(os.environ["DATABASE_PATH"], timeout=10)) as opened:
        return opened.execute("SELECT max(id) FROM beats").fetchone()[0]
first, ends = count(), time.monotonic() + 0.5
while count() == first and time.monotonic() < ends:
    time.sleep(0.02)
pathlib.Path(sys.argv[1]).write_text(f"{first} {count()}")
"""


def test_what_writes_all_the_time_writes_nothing_between_the_last_backup_and_the_end_of_the_migration(
    release_of, tmp_path
):
    """The worker has the database open for a moment only, so that nobody sees it there."""
    app = {"name": "sample-app", "role": "serves"}
    worker = {"name": "worker", "role": "works"}
    release = release_of("better", processes=[app, worker])
    release.sql("CREATE TABLE beats (id INTEGER PRIMARY KEY)")
    (tmp_path / "worker.js").write_text(WRITES_ALL_THE_TIME)
    said, counted = tmp_path / "said", tmp_path / "counted"
    release.pm2("start", tmp_path / "worker.js", "--name", "worker", env={**release.app.env, "SAID": str(said)})
    wait_for(said.exists, "the first row of the worker")
    takes_away = f"import sqlite3; sqlite3.connect({str(release.app.database)!r}).execute({TAKES_AWAY!r})"
    migrate = [[sys.executable, "-c", COUNTS, str(counted)], [sys.executable, "-c", takes_away]]
    failed = release.forward(migrate=[*migrate, [sys.executable, "-c", FAIL]], roll_back=True)
    assert (failed["step"], "It was rolled back to" in failed["msg"]) == ("migrate", True), failed["msg"]
    copy = tmp_path / "copy.db"
    sqlite_api.unpack(release.read()["facts"]["databases"][0]["backup"], copy, 10)
    with contextlib.closing(sqlite3.connect(copy)) as backup:
        kept = backup.execute("SELECT max(id) FROM beats").fetchone()[0]
    assert counted.read_text() == f"{kept} {kept}"
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}
    lines = len(said.read_text().splitlines())
    wait_for(lambda: len(said.read_text().splitlines()) > lines, "a row after the rollback")
    told = {int(line) for line in said.read_text().split()}
    with contextlib.closing(sqlite3.connect(release.app.database, timeout=10)) as opened:
        assert told - {row for (row,) in opened.execute("SELECT id FROM beats")} == set()
    assert {each["name"]: each["pm2_env"]["status"] for each in release.pm2.processes()} == dict.fromkeys(
        ["sample-app", "worker"], "online"
    )


# A migration during which a file of the app changes, and which fails where the app serves half a second later.
TOUCHES = """
import pathlib, socket, sys, time
pathlib.Path(sys.argv[1], 'touched.js').write_text('// changed')
ends = time.monotonic() + 1.5
while time.monotonic() < ends:
    with socket.socket() as client:
        if client.connect_ex(('127.0.0.1', int(sys.argv[2]))) == 0:
            sys.exit('the app serves during its migration')
    time.sleep(0.02)
"""


def watched(pm2):
    return {process["name"]: process["pm2_env"].get("watch") for process in pm2.processes()}


def test_a_file_watcher_starts_nothing_during_a_switch_and_watches_again_afterwards(release_of):
    release = release_of("better")
    release.pm2("restart", "sample-app", "--watch")
    wait_for(release.app.answers, "the first answer of the watched app")
    assert watched(release.pm2) == {"sample-app": True}
    migrate = [[sys.executable, "-c", TOUCHES, str(release.app.path), str(release.app.port)]]
    forward = release.forward(migrate=migrate)
    assert (forward.get("msg"), watched(release.pm2)) == (None, {"sample-app": True})
    assert release.read()["facts"]["watch"] == {"sample-app": True}
    pid = release.pid()
    back = release.back()
    assert (back.get("msg"), watched(release.pm2)) == (None, {"sample-app": True})
    assert (release.pid() != pid, release.app.get("/health")["revision"]) == (True, release.old)


def test_an_app_that_something_else_starts_during_its_migration_is_no_release(release_of):
    release = release_of("better")
    start = "import os, subprocess; subprocess.run([os.environ['PM2'], 'restart', 'sample-app'], check=True)"
    environment = {**os.environ, "PM2": release.pm2.executable, "PM2_HOME": str(release.pm2.home)}
    given = release.arguments("forward", migrate=[[sys.executable, "-c", start]])
    forward = release.run_module("release_switch", given, env=environment)
    assert forward["step"] == "migrate"
    assert "sample-app was started by something else while it was stopped" in forward["msg"]


ADD_COLUMN = "import os, sqlite3; sqlite3.connect(os.environ['DATABASE_PATH']).execute('ALTER TABLE items ADD z')"
FAIL = "import sys; sys.exit('no such table: x')"


# It ends two seconds after the time that it is given, as seconds since 1970.
WAITS_UNTIL = "import sys, threading, time; threading.Event().wait(float(sys.argv[1]) + 2 - time.time())"


def test_a_schedule_starts_nothing_during_a_switch_and_counts_again_afterwards(release_of):
    release = release_of("better")
    at = datetime.now() + timedelta(seconds=20)
    schedule = at.strftime("%S %M %H * * *")
    release.pm2("restart", "sample-app", "--cron-restart", schedule)
    wait_for(release.app.answers, "the first answer after the restart")
    migrate = [[sys.executable, "-c", WAITS_UNTIL, str(at.timestamp())]]
    forward = release.forward(migrate=migrate)
    assert forward.get("msg") is None
    assert [each["pm2_env"]["cron_restart"] for each in release.pm2.processes()] == [schedule]
    registered = (release.pm2.home / "pm2.log").read_text().count("Registering a cron job on")
    assert release.read()["facts"]["schedules"] == {"sample-app": schedule}
    assert release.back().get("msg") is None
    assert [each["pm2_env"]["cron_restart"] for each in release.pm2.processes()] == [schedule]
    assert (release.pm2.home / "pm2.log").read_text().count("Registering a cron job on") == registered + 1


def stage(release):
    """Make the new tree, and return the command of a migration that is tried there."""
    given = {"path": str(release.app.path), "release_id": release.id, "sha": release.new}
    release.must("release_tree", {"state": "staged", **given})


def columns(release):
    return release.sql("SELECT count(*) FROM pragma_table_info('items')")[0]


def test_a_migration_is_tried_on_a_copy_with_the_variables_of_the_app_and_then_made(release_of):
    release = release_of("better")
    stage(release)
    before = columns(release)
    forward = release.forward(rehearse="auto", migrate=[[sys.executable, "-c", ADD_COLUMN]])
    assert (forward.get("msg"), forward["steps"][0], forward["rehearsal"]["done"]) == (None, "rehearse", True)
    assert (columns(release), release.app.get("/health")["revision"]) == (before + 1, release.new)
    assert not list((release.state / "backups").glob(".rehearsal*"))


def test_a_migration_that_fails_on_a_copy_never_stops_the_app(release_of):
    release = release_of("better")
    stage(release)
    before, pid = columns(release), release.pid()
    failed = release.forward(rehearse="auto", migrate=[[sys.executable, "-c", code] for code in (ADD_COLUMN, FAIL)])
    assert failed["step"] == "rehearse"
    assert "The migration failed on a copy of the database: " in failed["msg"]
    assert "no such table: x. What is true now: nothing was changed" in failed["msg"]
    assert (columns(release), release.pid(), release.read()["stage"]) == (before, pid, "opened")
    assert not list((release.state / "backups").glob(".rehearsal*"))


def test_a_migration_that_cannot_be_led_to_a_copy_is_not_tried(release_of):
    release = release_of("better")
    stage(release)
    names_it = [[sys.executable, "-c", f"open({str(release.app.database)!r})"]]
    refused = release.forward(rehearse="always", migrate=names_it)
    assert (refused["step"], "in the middle of a word" in refused["msg"]) == ("rehearse", True), refused
    forward = release.forward(rehearse="auto", migrate=names_it)
    assert (forward["rehearsal"]["done"], "in the middle of a word" in str(forward["warnings"])) == (False, True)


def test_a_stranger_on_the_database_is_named_before_the_app_is_stopped_for_a_migration(release_of):
    release = release_of("better")
    pid = release.pid()
    with contextlib.closing(sqlite3.connect(release.app.database)) as stranger:
        stranger.execute("SELECT count(*) FROM items").fetchone()
        refused = release.forward(migrate=[["true"]])
        assert (refused["step"], f"is open in process {os.getpid()} " in refused["msg"]) == ("check", True)
        assert (release.pid(), release.read()["stage"]) == (pid, "opened")
        name = Path("/proc/self/comm").read_text().strip()
        assert release.forward(migrate=[["true"]], allowed_holders=[name]).get("msg") is None


def test_a_stranger_on_the_database_is_named_while_the_app_still_serves(release_of):
    release = release_of("better")
    assert release.forward().get("msg") is None
    release.sql("CREATE TABLE kept AS SELECT 1")
    release.sql("CREATE TRIGGER guard AFTER DELETE ON items BEGIN DELETE FROM kept; END")
    pid = release.pid()
    with contextlib.closing(sqlite3.connect(release.app.database)) as stranger:
        stranger.execute("SELECT count(*) FROM items").fetchone()
        back = release.back()
        assert (back["step"], f"is open in process {os.getpid()} " in back["msg"]) == ("check", True)
    assert (release.pid(), release.app.get("/health")["revision"]) == (pid, release.new)
    assert release.back()["restored"][0]["restored"] is True


def test_a_rollback_keeps_what_users_and_people_changed(release_of, repository, tmp_path):
    """The new revision tracks a file no longer, the app makes it again, and somebody mends another file by hand."""
    release = release_of("better")
    assert release.forward().get("msg") is None
    changed = git(release.app.path, "diff", "--name-only", release.old, release.new).splitlines()[0]
    (release.app.path / changed).write_text("// mended by hand")
    (release.app.path / "ecosystem.config.js").open("a").write("// and this one, too")
    back = release.back()
    assert (back.get("msg"), release.app.get("/health")["revision"]) == (None, release.old)
    told = str(back["warnings"])
    (aside,) = map(Path, release.read()["facts"]["put_aside"])
    assert aside == release.app.path / ".git" / "greenlight" / "aside" / f"{release.id}.1"
    assert f"{changed} in {release.app.path} held what no revision of the release has, and is kept in {aside}" in told
    assert "has local changes in ecosystem.config.js, which no release made; they were left" in told
    assert (aside / changed).read_text() == "// mended by hand"
    assert "and this one, too" in (release.app.path / "ecosystem.config.js").read_text()


WRITES_AT_ITS_END = """
const { DatabaseSync } = require("node:sqlite");
const database = new DatabaseSync(process.env.DATABASE_PATH);
setInterval(() => database.prepare("SELECT count(*) FROM items").get(), 20);
process.on("SIGINT", () => {
  require("node:fs").appendFileSync(process.env.TRACKED, "// written at the end\\n");
  process.exit();
});
require("node:fs").writeFileSync(process.env.READY, "");
"""


def test_the_old_revision_serves_again_when_a_tracked_file_was_written_while_the_app_stopped(release_of, tmp_path):
    release = release_of("better")
    tracked, ready = release.app.path / "ecosystem.config.js", tmp_path / "ready"
    (tmp_path / "worker.js").write_text(WRITES_AT_ITS_END)
    env = {**release.app.env, "TRACKED": str(tracked), "READY": str(ready)}
    release.pm2("start", tmp_path / "worker.js", "--name", "worker", env=env)
    wait_for(ready.exists, "a worker that hears signals")
    forward = release.forward(restart=["worker"])
    assert "has local changes in ecosystem.config.js" in forward["msg"]
    assert release.head() == release.old
    back = release.back(restart=["worker"])
    assert (back.get("msg"), release.app.get("/health")["revision"]) == (None, release.old)
    assert "written at the end" in tracked.read_text()


def spoil_backup(release):
    Path(release.backup).unlink()


def spoil_commit(release):
    shutil.rmtree(release.app.path / ".git" / "objects" / release.new[:2], ignore_errors=True)
    shutil.rmtree(release.app.path / ".git" / "objects" / "pack")


def spoil_pm2(release):
    release.pm2("delete", "sample-app")


def spoil_tree(release):
    (release.app.path / "server.js").write_text("// a hotfix on the host")


def spoil_lock(release):
    path = release.state / "releases" / f"{release.id}.json"
    record = release.read()
    record["lock"]["run_id"] = "somebody else's"
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    "spoil, more, message",
    [
        (spoil_backup, {}, "The backup"),
        (spoil_commit, {}, "does not have the commit"),
        (spoil_tree, {}, "has local changes in server.js"),
        (spoil_lock, {}, "is held by"),
        (None, {"restart": ["unheard-of"]}, "PM2 knows no process called 'unheard-of'"),
        (None, {"migrate": [[]]}, "migrate[0] must be a list of words"),
        (None, {"backups": []}, "a backup is needed"),
        (None, {"port": 70000}, "port must be from 0"),
        (None, {"phase": "from_migrate"}, "that needs stage switched"),
        (None, {"save": True, "executable": "/nonexistent/pm2"}, "pm2 was not found"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_touched(release_of, spoil, more, message):
    release = release_of("better")
    pid = release.pid()
    if spoil:
        spoil(release)
    stage = release.read()["stage"]
    result = release.forward(**more)
    assert (result["failed"], result["step"], message in result["msg"]) == (True, "check", True), result["msg"]
    assert (release.pid(), release.read()["stage"]) == (pid, stage)


def test_a_process_that_pm2_does_not_know_is_refused(release_of):
    release = release_of("better")
    spoil_pm2(release)
    result = release.forward()
    assert (result["step"], "PM2 knows no process" in result["msg"]) == ("check", True)
    assert release.head() == release.old


@pytest.mark.parametrize(
    "step, truth",
    [
        ("back_up", "the app is stopped, its code is {old} and its database as it was"),
        ("move", "its code may lie between {old} and {new}"),
        ("migrate", "its code is {new}, and its database may be migrated in part"),
        ("start", "the code is {new}, and the app does not serve as it should"),
    ],
)
def test_a_step_that_fails_says_what_is_true_and_the_rollback_works(release_of, step, truth):
    release = release_of("crash-at-load" if step == "start" else "better")
    row = release.app.post("must survive")
    more = {"migrate": [["touch", "half"], [sys.executable, "-c", "print('no such table: x'); raise SystemExit(3)"]]}
    given = more if step == "migrate" else {}
    spoilers = {"back_up": spoil_disk, "move": spoil_move}
    repair = spoilers[step](release) if step in spoilers else lambda: None
    result = release.forward(**given)
    repair()
    assert (result["failed"], result["step"]) == (True, step), result["msg"]
    assert truth.format(old=release.old[:8], new=release.new[:8]) in result["msg"]
    back = release.back()
    assert back.get("msg") is None
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}
    assert release.sql(f"SELECT name FROM items WHERE id = {row}") == ("must survive",)


def status(release):
    return [each["pm2_env"]["status"] for each in json.loads(release.pm2("jlist"))]


def test_a_revision_that_crashes_is_stopped_at_once_and_not_waited_for(release_of):
    """A timeout that no test could wait for: the switch does not wait, and PM2 does not start it again and again."""
    release = release_of("crash-at-load")
    failed = release.forward(timeout=600)
    assert "It was stopped, so that PM2 does not start it again and again" in failed["msg"]
    assert status(release) == ["stopped"]
    assert release.back(timeout=600).get("msg") is None
    assert release.app.get("/health") == {"status": "ok", "revision": release.old}


def spoil_disk(release):
    """Let the folder of the backups vanish under the run when the app stops: its storage is gone."""
    folder, away = release.state / "backups", release.state / "away"
    code = f"require('fs').renameSync({str(folder)!r}, {str(away)!r})"
    on_stop(release, code)
    return lambda: (folder.exists() and shutil.rmtree(folder), away.rename(folder))


def spoil_move(release):
    """Let somebody lock the index while the app stops."""
    lock = release.app.path / ".git" / "index.lock"
    on_stop(release, f"require('fs').writeFileSync({str(lock)!r}, '')")
    return lambda: None


def on_stop(release, code):
    """Make the running app do something when it gets the signal to stop."""
    script = release.state / "spoil.js"
    script.write_text(f"process.on('SIGINT', () => {{ {code} }});")
    env = {**release.app.env, "NODE_OPTIONS": f"--require {script}"}
    release.pm2("delete", "sample-app")
    release.pm2("start", release.app.path / "ecosystem.config.js", env=env)
    wait = {"pm2_home": str(release.pm2.home), "name": "sample-app", "executable": release.pm2.executable}
    release.must("pm2_process", {**wait, "stable_for": 0, "port": release.app.port})


# Ends when the lease of the run was renewed since it began.
AWAIT_RENEWAL = """
import json, sys
read = lambda: json.load(open(sys.argv[1]))["lock"]["until"]
first = read()
while read() == first:
    pass
"""


def test_a_migration_that_takes_longer_than_the_lease_does_not_lose_it(release_of):
    release = release_of("better")
    file = str(release.state / "releases" / f"{release.id}.json")
    migrate = [[sys.executable, "-c", AWAIT_RENEWAL, file]]
    forward = release.forward(migrate=migrate, migrate_timeout=20, lease=3, lease_after=864000)
    assert (forward.get("msg"), release.read()["stage"]) == (None, "switched")
    left = parse_time(release.read()["lock"]["until"]) - datetime.now(timezone.utc)
    assert left > timedelta(days=9)
