# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import CHECKOUT, COLLECTIONS, MODULES, wait_for

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


@pytest.fixture
def writer(tmp_path, database):
    """A process that commits as fast as it can; it prints every number that it has committed."""
    log = tmp_path / "committed"
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(database.path)], stdout=output)
    process.committed = lambda: int((log.read_text().split() or ["0"])[-1]) if log.exists() else 0
    wait_for(process.committed, "the first commit")
    yield process
    process.kill()
    process.wait()


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
    assert (done["restored"], done["differences"]) == (True, {"ledger": {"backup": 1, "live": 2}})
    assert done["diff"] == {"before": {"ledger": 2}, "after": {"ledger": 1}}
    assert (state_of(database.path), state_of(Path(done["set_aside"]) / "app.db")) == (1, 2)
    assert run_module("sqlite_backup", restore)["changed"] is False
    info = run_module("sqlite_backup_info", {"dest": str(database.backups), "path": str(database.path)})
    assert ([backup["sound"] for backup in info["backups"]], info["database"]["sound"]) == ([True], True)


def test_backups_of_a_busy_database_are_never_torn_and_never_old(run_module, database, writer):
    for _round in range(15):
        before = writer.committed()
        taken = run_module("sqlite_backup", database.arguments(keep={"last": 3}))
        assert taken.get("msg") is None
        assert state_of(taken["backup"]["path"]) >= before
    assert writer.poll() is None
    assert len(list(database.backups.glob("*.db"))) == 3


def test_an_update_costs_nothing_when_nothing_changed(run_module, database):
    first = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    same = run_module("sqlite_backup", database.arguments(update=first))
    assert (same["changed"], same["backup"]["path"]) == (False, first)
    database.sql("INSERT INTO ledger VALUES (1, 'a'); UPDATE counter SET value = 1;")
    other = run_module("sqlite_backup", database.arguments(update=first))
    assert (other["changed"], state_of(other["backup"]["path"])) == (True, 1)


def test_a_restore_under_a_process_that_has_the_database_open_is_refused(run_module, database, writer):
    src = run_module("sqlite_backup", database.arguments())["backup"]["path"]
    result = run_module("sqlite_backup", {"state": "restored", "path": str(database.path), "src": src})
    assert (result["failed"], f"is open in process {writer.pid}" in result["msg"]) == (True, True)
    kept = run_module(
        "sqlite_backup", {"state": "restored", "path": str(database.path), "src": src, "restore_if": "changed"}
    )
    assert (kept["changed"], kept["restored"]) == (False, False)


@pytest.mark.parametrize("moment", range(6))
def test_a_backup_that_is_killed_leaves_nothing_under_a_final_name(run_module, database, moment):
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
    if moment:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.05 * moment)
    process.kill()
    process.wait()
    for backup in run_module("sqlite_backup_info", {"dest": str(database.backups)})["backups"]:
        assert (backup["sound"], state_of(backup["path"])) == (True, 0)
    assert run_module("sqlite_backup", database.arguments())["changed"] is True


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"path": "/nonexistent/app.db", "dest": "/nonexistent/b"}, "does not exist; correct the path"),
        ({"path": str(CHECKOUT / "COPYING"), "dest": "/nonexistent/b"}, "is not a SQLite database"),
        ({"state": "restored", "path": "/nonexistent/app.db", "src": "/nonexistent/b.db"}, "has no manifest"),
        ({"state": "present", "path": "/x"}, "missing: dest"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(run_module, arguments, message):
    result = run_module("sqlite_backup", arguments)
    assert (result["failed"], message in result["msg"]) == (True, True)
    assert not Path("/nonexistent").exists()


def test_a_locked_database_is_a_bounded_error(run_module, database):
    database.sql("PRAGMA journal_mode = DELETE")
    other = sqlite3.connect(database.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    result = run_module("sqlite_backup", database.arguments(timeout=0.5))
    other.close()
    assert "is locked by another process for more than 0.5 seconds" in result["msg"]
    assert list(database.backups.iterdir()) == []
