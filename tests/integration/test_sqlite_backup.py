# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from machine import CHECKOUT, COLLECTIONS, MODULES, call_module_alone, wait_for

# Every transaction adds a row and its number to a counter, so a snapshot that is torn or old contradicts itself.
WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("PRAGMA synchronous = NORMAL")
connection.execute("PRAGMA wal_autocheckpoint = 20")
number = 0
while True:
    number += 1
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO ledger VALUES (?, ?)", (number, "x" * 200))
    connection.execute("UPDATE counter SET value = ?", (number,))
    connection.execute("COMMIT")
    print(number, flush=True)
"""


class Database:
    def __init__(self, folder, mode="WAL"):
        (folder / "data").mkdir()
        self.path, self.backups = folder / "data" / "app.db", folder / "backups"
        self.sql(
            f"PRAGMA journal_mode = {mode}; CREATE TABLE ledger (number INTEGER PRIMARY KEY, pad TEXT);"
            "CREATE TABLE counter (value INTEGER); INSERT INTO counter VALUES (0);"
        )

    def sql(self, script):
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.executescript(script)
        connection.close()

    def arguments(self, **more):
        return {"path": str(self.path), "dest": str(self.backups), **more}


def state_of(path):
    """Return (rows, counter) of a database file, after checking that it is whole."""
    connection = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows, newest = connection.execute("SELECT count(*), coalesce(max(number), 0) FROM ledger").fetchone()
        assert (rows, newest) == (newest, connection.execute("SELECT value FROM counter").fetchone()[0])
        return rows
    finally:
        connection.close()


@pytest.fixture
def database(tmp_path):
    return Database(tmp_path)


@contextlib.contextmanager
def writing(folder, database):
    """A process that commits as fast as it can; it prints every number that it has committed."""
    log = folder / "committed"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(database.path)], stdout=output)
    process.committed = lambda: int((log.read_text().split() or ["0"])[-1]) if log.exists() else 0
    try:
        wait_for(process.committed, "the first commit")
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def writer(tmp_path, database):
    with writing(tmp_path, database) as process:
        yield process


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_backup_has_every_row_and_a_restore_brings_them_back(run_module, tmp_path, mode):
    database = Database(tmp_path, mode)
    database.sql("INSERT INTO ledger VALUES (1, 'a'); UPDATE counter SET value = 1;")
    taken = run_module("sqlite_backup", database.arguments(release_id="r1"))
    assert (taken.get("msg"), taken["changed"], taken["backup"]["row_counts"]["ledger"]) == (None, True, 1)
    database.sql("INSERT INTO ledger VALUES (2, 'b'); UPDATE counter SET value = 2;")
    restore = {"state": "restored", "path": str(database.path), "src": taken["backup"]["path"]}
    predicted = run_module("sqlite_backup", restore, check=True)
    assert (predicted["changed"], state_of(database.path)) == (True, 2)
    done = run_module("sqlite_backup", restore, diff=True)
    assert (done["restored"], done["lost"]) == (
        True,
        "counter: 1 row changed since; ledger: 1 row newer than the backup",
    )
    assert done["differences"]["ledger"] == {"backup": 1, "live": 2, "newer": 1, "changed": 0, "gone": 0}
    assert done["diff"] == {"before": {"ledger": 2, "counter": 1}, "after": {"ledger": 1, "counter": 1}}
    assert (predicted["lost"], predicted["differences"]) == (done["lost"], done["differences"])
    assert (state_of(database.path), state_of(Path(done["set_aside"]) / "app.db")) == (1, 2)
    assert run_module("sqlite_backup", restore)["changed"] is False
    info = run_module("sqlite_backup_info", {"dest": str(database.backups), "path": str(database.path)})
    assert ([backup["sound"] for backup in info["backups"]], info["database"]["sound"]) == ([True, True], True)
    assert run_module("sqlite_backup", {**restore, "src": done["set_aside"]})["restored"] is True
    assert state_of(database.path) == 2


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_backups_of_a_busy_database_are_never_torn_and_never_old(run_module, tmp_path, mode):
    database = Database(tmp_path, mode)
    with writing(tmp_path, database) as writer:
        back_up_under(run_module, database, writer)


def back_up_under(run_module, database, writer):
    for _round in range(10):
        before = writer.committed()
        taken = run_module("sqlite_backup", database.arguments(keep={"last": 3}))
        assert taken.get("msg") is None
        assert state_of(taken["backup"]["path"]) >= before
    assert writer.poll() is None
    assert len(list(database.backups.glob("*.db"))) == 3


def test_an_update_costs_nothing_when_nothing_changed(run_module, database):
    # A file that was written only just now proves nothing: another write could bear the same time.
    for path in database.path.parent.glob(f"{database.path.name}*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    first = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    same = run_module("sqlite_backup", database.arguments(update=first))
    assert (same["changed"], same["backup"]["path"]) == (False, first)
    predicted = run_module("sqlite_backup", database.arguments(update=first, keep={"last": 1}), check=True)
    assert predicted["removed"] == []
    database.sql("INSERT INTO ledger VALUES (1, 'a'); UPDATE counter SET value = 1;")
    other = run_module("sqlite_backup", database.arguments(update=first))
    assert (other["changed"], other["backup"]["base"], other["backup"]["size"] < 20000) == (
        True,
        Path(first).name,
        True,
    )
    database.sql("DELETE FROM ledger")
    restore = {"state": "restored", "path": str(database.path), "src": other["backup"]["path"]}
    assert run_module("sqlite_backup", restore)["lost"] == "ledger: 1 row deleted since"
    assert state_of(database.path) == 1


def test_an_update_beside_a_writer_loses_nothing_that_was_committed(run_module, database, writer):
    first = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    before = writer.committed()
    other = run_module("sqlite_backup", database.arguments(update=first))["backup"]
    elsewhere = database.path.with_name("elsewhere.db")
    run_module("sqlite_backup", {"state": "restored", "path": str(elsewhere), "src": other["path"], "force": True})
    assert (other["base"], state_of(elsewhere) >= before) == (Path(first).name, True)


def test_a_restore_under_a_process_that_has_the_database_open_is_refused(run_module, database, writer):
    src = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    result = run_module("sqlite_backup", {"state": "restored", "path": str(database.path), "src": src})
    assert (result["failed"], f"is open in process {writer.pid}" in result["msg"]) == (True, True)
    kept = run_module(
        "sqlite_backup", {"state": "restored", "path": str(database.path), "src": src, "restore_if": "changed"}
    )
    assert (kept["changed"], kept["restored"]) == (False, False)


@pytest.mark.parametrize("seen", [".greenlight", ".greenlight-wal", ".json.greenlight"])
def test_a_backup_that_is_killed_leaves_nothing_under_a_final_name(run_module, database, seen):
    """It is killed when the file that it is making can be seen, or when it was faster."""
    database.sql("INSERT INTO ledger VALUES (1, zeroblob(40000000)); UPDATE counter SET value = 1;")
    keep_wal = sqlite3.connect(database.path)
    keep_wal.execute("SELECT 1 FROM ledger").fetchone()
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": database.arguments()})
    process = subprocess.Popen(
        [sys.executable, "-m", f"{MODULES}.sqlite_backup"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        cwd="/",
    )
    process.stdin.write(arguments.encode())
    process.stdin.close()

    def is_at_work():
        names = os.listdir(database.backups) if database.backups.exists() else []
        return any(name.endswith(seen) for name in names) or process.poll() is not None

    wait_for(is_at_work, "the work of the backup")
    process.kill()
    process.wait()
    keep_wal.close()
    wait_for(lambda: not holders_of_lock(database.backups), "the end of the worker")
    for backup in run_module("sqlite_backup_info", {"dest": str(database.backups)})["backups"]:
        assert backup["sound"] or not Path(backup["path"]).exists()
    again = run_module("sqlite_backup", database.arguments())
    assert (again["changed"], state_of(again["backup"]["path"])) == (True, 1)
    assert [name for name in visible(database.backups) if name.startswith(".")] == []


def holders_of_lock(folder):
    with (folder / ".lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"path": "/nonexistent/app.db", "dest": "/nonexistent/b"}, "does not exist; correct the path"),
        ({"path": str(CHECKOUT / "COPYING"), "dest": "/nonexistent/b"}, "is not a SQLite database"),
        ({"state": "restored", "path": "/nonexistent/app.db", "src": "/nonexistent/b.db"}, "b.db does not exist"),
        (
            {"state": "restored", "path": "/nonexistent/app.db", "src": str(CHECKOUT / "COPYING")},
            "is not a SQLite database",
        ),
        ({"path": "/nonexistent/app.db", "dest": "/nonexistent/b", "keep": {"hourly": 3}}, "keep has no rule 'hourly'"),
        ({"path": "/nonexistent/app.db", "dest": "/nonexistent/b", "compression": "lzma"}, "must be one of"),
        (
            {"state": "absent", "dest": "/nonexistent/b", "keep": {"last": 1}, "state_path": "/nonexistent/state"},
            "state_path /nonexistent/state is not a folder of release records; correct it, or leave it out",
        ),
        ({"state": "present", "path": "/x"}, "missing: dest"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(run_module, arguments, message):
    result = run_module("sqlite_backup", arguments)
    assert (result["failed"], message in result["msg"]) == (True, True)
    assert not Path("/nonexistent").exists()


def test_rows_that_were_set_aside_are_put_back_under_a_writer(run_module, tmp_path, database):
    taken = run_module("sqlite_backup", database.arguments())
    database.sql("INSERT INTO ledger VALUES (100001, 'a'), (100002, 'b');")
    restore = {"state": "restored", "path": str(database.path), "src": taken["backup"]["path"]}
    aside = run_module("sqlite_backup", restore)["set_aside"]
    database.sql("INSERT INTO ledger VALUES (100002, 'other');")
    arguments = database.arguments(state="merged", src=aside)
    with writing(tmp_path, database) as writer:
        predicted = run_module("sqlite_backup", arguments, check=True)
        merged = run_module("sqlite_backup", arguments, diff=True)
        again = run_module("sqlite_backup", arguments)
        committed = writer.committed()
    assert (merged.get("msg"), predicted["merged"], predicted["backup"]) == (None, {"ledger": 1}, {})
    assert (merged["merged"], merged["conflicts"], again["changed"]) == ({"ledger": 1}, {"ledger": 1}, False)
    assert json.loads(Path(merged["conflicts_file"]).read_text()) == {"ledger": [[100002]]}
    with contextlib.closing(sqlite3.connect(database.path)) as opened:
        found = opened.execute("SELECT number, pad FROM ledger WHERE number IN (100001, 100002) ORDER BY 1").fetchall()
        assert opened.execute("SELECT value FROM counter").fetchone()[0] >= committed
    assert found == [(100001, "a"), (100002, "other")]


def test_a_locked_database_is_a_bounded_error(run_module, database):
    database.sql("PRAGMA journal_mode = DELETE")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    result = run_module("sqlite_backup", database.arguments(timeout=0.5))
    other.close()
    assert "is locked by another process for more than 0.5 seconds" in result["msg"]
    assert visible(database.backups) == []


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


@pytest.mark.parametrize("compression, ending", [("gzip", ".db.gz"), ("zstd", ".db.zst")])
def test_a_compressed_backup_can_be_restored(run_module, database, compression, ending):
    taken = run_module("sqlite_backup", database.arguments(compression=compression, mode="0640", verify="full"))
    assert (taken["backup"]["path"].endswith(ending), os.stat(taken["backup"]["path"]).st_mode & 0o777) == (True, 0o640)
    database.sql("INSERT INTO ledger VALUES (1, 'a'); UPDATE counter SET value = 1;")
    restore = {"state": "restored", "path": str(database.path), "src": taken["backup"]["path"]}
    assert run_module("sqlite_backup", restore)["changed"] is True
    assert state_of(database.path) == 0
    info = run_module("sqlite_backup_info", {"dest": str(database.backups)})["backups"]
    assert [backup["sound"] for backup in info] == [True, True]


def test_a_file_to_be_made_is_made_once_and_never_overwritten(run_module, database):
    arguments = database.arguments(dest=str(database.backups / "nightly.db"))
    assert run_module("sqlite_backup", arguments, check=True)["changed"] is True
    assert not database.backups.exists()
    for changed in (True, False):
        assert run_module("sqlite_backup", arguments)["changed"] is changed
    database.sql("INSERT INTO ledger VALUES (1, 'a'); UPDATE counter SET value = 1;")
    assert (
        "nightly.db exists already, and a backup is never overwritten" in run_module("sqlite_backup", arguments)["msg"]
    )
    assert state_of(database.backups / "nightly.db") == 0


def test_the_diff_shows_the_manifest_before_and_after(run_module, database):
    first = run_module("sqlite_backup", database.arguments(), diff=True)
    assert (first["diff"]["before"], first["diff"]["after"]["sha256"]) == ({}, first["backup"]["sha256"])
    second = run_module("sqlite_backup", database.arguments(keep={"last": 1}), diff=True)
    assert second["diff"]["before"]["sha256"] == first["backup"]["sha256"]
    assert second["diff"]["after"][first["backup"]["path"]] == "removed"


def test_retention_keeps_what_an_open_release_needs(run_module, database, tmp_path):
    first = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    state = {"state_path": str(tmp_path / "state"), "run_id": "run 1", "by": "a test", "lease": 600}
    opening = {
        "state": "opened",
        "app": "shop",
        "release_id": "20260219T020000Z-0639294c",
        "from_revision": "a" * 40,
        "to_revision": "b" * 40,
        "facts": {"backup": first},
    }
    assert run_module("release_record", {**opening, **state})["changed"] is True
    keep = {"keep": {"last": 1}, "state_path": str(tmp_path / "state")}
    second = run_module("sqlite_backup", database.arguments(**keep))["backup"]["path"]
    predicted = run_module("sqlite_backup", database.arguments(**keep), check=True)["removed"]
    third = run_module("sqlite_backup", database.arguments(**keep))
    assert (third["removed"], predicted, Path(first).exists()) == ([second], [second], True)
    pruned = run_module("sqlite_backup", {"state": "absent", "dest": str(database.backups), "keep": {"last": 1}})
    assert (pruned["removed"], Path(first).exists()) == ([first], False)


def test_retention_counts_each_database_for_itself_and_no_lost_backup(run_module, database):
    (database.backups.parent / "other").mkdir()
    other = Database(database.backups.parent / "other")
    mine = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    for _round in range(2):
        taken = run_module("sqlite_backup", {**other.arguments(keep={"last": 1}), "dest": str(database.backups)})
    assert Path(mine).exists()
    os.truncate(taken["backup"]["path"], 100)
    run_module("sqlite_backup", {**database.arguments(keep={"last": 2})})
    assert Path(mine).exists()


def test_a_restore_under_a_running_app_goes_through_sqlite(run_module, running):
    """The sample app keeps its connections and prepared statements; no request may fail."""
    arguments = {"path": str(running.database), "dest": str(running.path.parent / "backups")}
    running.post("kept")
    taken = run_module("sqlite_backup", arguments)
    running.post("written after the backup")
    restore = {"state": "restored", "path": str(running.database), "src": taken["backup"]["path"]}
    assert "is open in process" in run_module("sqlite_backup", restore)["msg"]
    done = run_module("sqlite_backup", {**restore, "online": True})
    assert (done.get("msg"), done["changed"], "items: 1 row newer than the backup" in done["lost"]) == (
        None,
        True,
        True,
    )
    assert running.post("written after the restore")
    names = {row[0] for row in rows_of(running.database, "SELECT name FROM items ORDER BY rowid DESC LIMIT 2")}
    assert names == {"kept", "written after the restore"}
    aside = rows_of(
        Path(done["set_aside"]) / running.database.name, "SELECT name FROM items ORDER BY rowid DESC LIMIT 1"
    )
    assert aside == [("written after the backup",)]


def rows_of(path, statement):
    with contextlib.closing(sqlite3.connect(path)) as opened:
        return opened.execute(statement).fetchall()


def test_a_rollback_of_a_real_app_loses_no_acknowledged_write(run_module, running, pm2):
    """Backup while it serves, a write, PM2 stops it, update, a bad migration, restore."""
    arguments = {"path": str(running.database), "dest": str(running.path.parent / "backups")}
    taken = run_module("sqlite_backup", arguments)["backup"]
    running.post("acknowledged after the backup")
    pm2("stop", "sample-app")
    last = run_module("sqlite_backup", {**arguments, "update": taken["path"]})["backup"]
    with contextlib.closing(sqlite3.connect(running.database, isolation_level=None)) as migration:
        migration.executescript("DROP TABLE items; PRAGMA user_version = 99;")
    restore = {"state": "restored", "path": str(running.database), "src": last["path"], "restore_if": "changed"}
    done = run_module("sqlite_backup", restore)
    assert (last["method"], done["restored"]) == ("pages", True)
    newest = rows_of(running.database, "SELECT name FROM items ORDER BY rowid DESC LIMIT 1")
    assert newest == [("acknowledged after the backup",)]
    pm2("start", "sample-app")
    wait_for(running.answers, "an answer after the restore")


def test_a_disk_that_is_full_leaves_nothing_under_a_final_name(database):
    """The limit for files stands for a full disk: the kernel refuses the write, whoever asks."""
    database.sql("INSERT INTO ledger VALUES (1, zeroblob(300000)); UPDATE counter SET value = 1;")
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": database.arguments()})
    limited = f"ulimit -f 200; exec {sys.executable} -m {MODULES}.sqlite_backup"
    done = subprocess.run(
        ["sh", "-c", limited],
        input=arguments,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    result = json.loads(done.stdout)
    assert (result["failed"], "Cannot write a backup to" in result["msg"]) == (True, True)
    assert (visible(database.backups), "Traceback" in done.stderr) == ([], False)


def test_a_python_without_sqlite_is_reported_in_a_sentence(tmp_path):
    (tmp_path / "sqlite3.py").write_text("raise ImportError('No module named _sqlite3')")
    for name in ("sqlite_backup", "sqlite_backup_info"):
        result = call_module_alone(name, {"path": "/x", "dest": "/y"}, tmp_path)
        assert "Failed to import the required Python library (sqlite3)" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_what_the_check_mode_promises_fails_alike(run_module, database, check):
    src = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    os.truncate(src, 4096)
    restore = {"state": "restored", "path": str(database.path), "src": src}
    assert "is not sound: it has 4096 bytes" in run_module("sqlite_backup", restore, check=check)["msg"]


@pytest.mark.parametrize(
    "name",
    ["a b.db", "a'b.db", 'a"b.db', "$(x).db", "a;b.db", "-a.db", "a\\b.db", "ü.db", "a%20b.db", "a?b#c.db", "[a]*.db"],
)
def test_odd_names_are_backed_up_and_restored(run_module, database, name):
    path = database.path.rename(database.path.with_name(name))
    taken = run_module("sqlite_backup", {"path": str(path), "dest": str(database.backups)})
    assert taken.get("msg") is None
    path.unlink()
    restored = run_module("sqlite_backup", {"state": "restored", "path": str(path), "src": taken["backup"]["path"]})
    assert (restored.get("msg"), state_of_any(path)) == (None, 0)


def state_of_any(path):
    with contextlib.closing(sqlite3.connect(path)) as opened:
        return opened.execute("SELECT count(*) FROM ledger").fetchone()[0]


def test_a_symbolic_link_stays_one_and_the_real_file_is_restored(run_module, database):
    link = database.path.parent.parent / "link.db"
    link.symlink_to(database.path)
    taken = run_module("sqlite_backup", {"path": str(link), "dest": str(database.backups)})
    database.sql("INSERT INTO ledger VALUES (1, 'a'); UPDATE counter SET value = 1;")
    run_module("sqlite_backup", {"state": "restored", "path": str(link), "src": taken["backup"]["path"]})
    assert (link.is_symlink(), state_of(database.path)) == (True, 0)


def children_of(pid):
    """Return the processes that a process has started."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]


def test_work_that_stands_still_is_given_up(database):
    """A stopped worker stands for one that waits for dead storage: neither uses the processor."""
    database.sql("PRAGMA journal_mode = DELETE")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    process = subprocess.Popen(
        [sys.executable, "-m", f"{MODULES}.sqlite_backup"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        cwd="/",
        text=True,
    )
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": database.arguments(timeout=3)}))
    process.stdin.close()
    worker = wait_for(lambda: children_of(process.pid), "the start of the worker")[0]
    os.kill(worker, signal.SIGSTOP)
    result = json.loads(process.stdout.read())
    other.close()
    assert f"The work on {database.path} was stopped: nothing has moved for 3 seconds" in result["msg"]
    wait_for(lambda: process.poll() is not None and not Path(f"/proc/{worker}").exists(), "the end of the worker")


# A job that opens the database, writes one row, and closes it again, as one of cron does; it prints what it committed.
JOB = """
import sqlite3, sys, time
number = 1000000
while True:
    number += 1
    connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.001)
    try:
        connection.execute("INSERT INTO ledger VALUES (?, 'job')", (number,))
        print(number, flush=True)
    except sqlite3.Error:
        pass
    finally:
        connection.close()
    time.sleep(0.002)
"""


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_no_row_of_a_short_lived_writer_is_lost_in_a_restore(run_module, tmp_path, mode):
    database = Database(tmp_path, mode)
    database.sql("INSERT INTO ledger VALUES (1, zeroblob(20000000)); UPDATE counter SET value = 1;")
    src = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    log = tmp_path / "committed"
    with log.open("wb") as output:
        job = subprocess.Popen([sys.executable, "-c", JOB, str(database.path)], stdout=output)
    aside, refusals = [], 0
    try:
        for _round in range(5):
            done = run_module("sqlite_backup", {"state": "restored", "path": str(database.path), "src": src})
            refusals += "is open in process" in done.get("msg", "")
            aside += [done["set_aside"]] if done.get("set_aside") else []
    finally:
        job.kill()
        job.wait()
    found = {row[0] for row in rows_of(database.path, "SELECT number FROM ledger")}
    for folder in aside:
        found |= {row[0] for row in rows_of(Path(folder) / "app.db", "SELECT number FROM ledger")}
    committed = {int(line) for line in log.read_text().split()}
    assert (len(aside) + refusals > 0, committed - found) == (True, set())


def test_mistakes_are_reported_without_a_traceback(run_module, database, tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("")
    for arguments, message in (
        (database.arguments(dest=f"{tmp_path}/file/backups"), "Not a directory"),
        (database.arguments(dest=f"{tmp_path}/loop/backups"), "loop"),
        (database.arguments(path=f"{tmp_path}/loop"), "cannot be followed"),
        (database.arguments(mode=["0600"]), "mode must be an octal number"),
    ):
        result = run_module("sqlite_backup", arguments)
        assert (result["failed"], message in result["msg"]) == (True, True), result["msg"]
    info = run_module("sqlite_backup_info", {"dest": f"{tmp_path}/file"})
    assert "cannot be read: Not a directory; correct the path" in info["msg"]
