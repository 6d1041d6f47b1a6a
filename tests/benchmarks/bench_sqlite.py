# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the live snapshot against what a user would run instead, side by side, and torture it.

    ./greenlight bench sqlite [--quick]

The table gives the median seconds of each way to copy a database that a writer commits to, its ratio to C(cp) and
fsync, the longest commit of the writer meanwhile, and how many of the copies were whole. C(cp) is the limit in speed,
and unsafe. The torture takes snapshots while a writer commits as fast as it can and a second process checkpoints.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / ".cache" / "collections"))

from ansible_collections.greenlight.release.plugins.module_utils import _sqlite_backup, _sqlite_snapshot

# A ledger of numbers and a counter, changed in one transaction: a torn or an old copy contradicts itself.
WRITER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute("PRAGMA synchronous = NORMAL")
connection.execute("PRAGMA wal_autocheckpoint = " + sys.argv[3])
number, pause = connection.execute("SELECT value FROM counter").fetchone()[0], float(sys.argv[2])
while True:
    number += 1
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO ledger VALUES (?, ?)", (number, "x" * 100))
    connection.execute("UPDATE counter SET value = ?", (number,))
    connection.execute("COMMIT")
    print(number, time.perf_counter() - began, flush=True)
    time.sleep(pause)
"""
CHECKPOINTER = """
import random, sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0.2)
while True:
    try:
        mode = random.choice(["TRUNCATE", "RESTART", "PASSIVE", "FULL"])
        connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    except sqlite3.OperationalError:
        pass
    time.sleep(0.003)
"""


def make_database(path: Path, megabytes: int) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE counter (value INTEGER);"
        "INSERT INTO counter VALUES (0); CREATE TABLE ledger (number INTEGER PRIMARY KEY, pad TEXT);"
        "CREATE TABLE filler (id INTEGER PRIMARY KEY, data BLOB)"
    )
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO filler (data) VALUES (?)", ((os.urandom(1000),) for _row in range(megabytes * 980))
    )
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    connection.close()


def state_of(path: Path) -> int:
    """Return the number of committed rows in a copy, -1 when it is broken or contradicts itself."""
    try:
        connection = sqlite3.connect(path, timeout=5)
        with contextlib.closing(connection):
            if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
                return -1
            rows, newest = connection.execute("SELECT count(*), coalesce(max(number), 0) FROM ledger").fetchone()
            counted = connection.execute("SELECT value FROM counter").fetchone()[0]
    except sqlite3.DatabaseError:
        return -1
    return int(rows) if rows == newest == counted else -1


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    os.fsync(descriptor)
    os.close(descriptor)


def copy_with_cp(source: Path, target: Path) -> None:
    subprocess.run(["cp", source, target], check=True)
    sync(target)


def copy_with_backup_api(source: Path, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(source)) as live, contextlib.closing(sqlite3.connect(target)) as copy:
        live.backup(copy, pages=-1)
    sync(target)


def copy_with_vacuum(source: Path, target: Path) -> None:
    with contextlib.closing(sqlite3.connect(source, isolation_level=None)) as live:
        live.execute("VACUUM INTO ?", (str(target),))
    sync(target)


def copy_with_ours(source: Path, target: Path) -> None:
    _sqlite_snapshot.take_snapshot(source, target, 60)
    sync(target)


def verified_backup_api(source: Path, target: Path) -> None:
    """Do one after the other what our verified backup does at the same time."""
    copy_with_backup_api(source, target)
    _sqlite_backup._files.sha256_of(target)
    with contextlib.closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA quick_check").fetchall()
        for table in ("counter", "ledger", "filler"):
            copy.execute(f"SELECT count(*) FROM {table}").fetchone()


def verified_ours(source: Path, target: Path) -> None:
    now = datetime.now(timezone.utc)
    plan = _sqlite_backup.plan_backup(source, target.parent / "ours", "quick", 60, "", now, target.name)
    os.replace(_sqlite_backup.make_backup(plan)["path"], target)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "cp + fsync (unsafe)": copy_with_cp,
    "Connection.backup(pages=-1)": copy_with_backup_api,
    "VACUUM INTO": copy_with_vacuum,
    "ours, unverified": copy_with_ours,
    "Connection.backup, then verified": verified_backup_api,
    "ours, verified": verified_ours,
}


class Writer:
    """A process that commits, and what it says of each commit."""

    def __init__(self, database: Path, log: Path, pause: float, autocheckpoint: int) -> None:
        self.log = log
        words = [sys.executable, "-c", WRITER, str(database), str(pause), str(autocheckpoint)]
        with log.open("wb") as output:
            self.process = subprocess.Popen(words, stdout=output)
        while not self.commits():
            time.sleep(0.01)

    def commits(self) -> list[tuple[int, float]]:
        lines = self.log.read_text().splitlines()[:-1]
        return [(int(number), float(seconds)) for number, seconds in (line.split() for line in lines)]

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def compare(folder: Path, megabytes: int, rounds: int) -> None:
    """Print the table for one size, the ways taken in turns, so that the machine's moods hit all alike."""
    database = folder / "live.db"
    make_database(database, megabytes)
    times: dict[str, list[float]] = {name: [] for name in WAYS}
    longest, whole = dict.fromkeys(WAYS, 0.0), dict.fromkeys(WAYS, 0)
    writer = Writer(database, folder / "commits", 0.004, 1000)
    try:
        for number in range(rounds):
            for name, way in WAYS.items():
                target = folder / f"copy-{number}.db"
                before = writer.commits()
                began = time.perf_counter()
                way(database, target)
                times[name].append(time.perf_counter() - began)
                meanwhile = writer.commits()[len(before) :]
                longest[name] = max([longest[name], *(seconds for _number, seconds in meanwhile)])
                whole[name] += state_of(target) >= before[-1][0]
                for path in folder.glob("copy-*"):
                    path.unlink()
    finally:
        writer.stop()
    limit = statistics.median(times["cp + fsync (unsafe)"])
    print(f"\n{megabytes} MB, a writer of about 200 commits a second, {rounds} rounds")
    print(f"{'way':<34}{'median s':>10}{'to cp':>8}{'longest commit ms':>20}{'whole':>10}")
    for name, taken in times.items():
        middle = statistics.median(taken)
        line = f"{name:<34}{middle:>10.3f}{middle / limit:>8.2f}{longest[name] * 1000:>20.1f}"
        print(f"{line}{whole[name]:>6} of {rounds}")
    ratio = statistics.median(times["ours, verified"]) / statistics.median(times["Connection.backup, then verified"])
    print(f"ours verified / the best safe peer doing the same one after the other: {ratio:.2f}")


def torture(folder: Path, rounds: int) -> int:
    """Take snapshots under a fast writer and a hostile checkpointer; return how many were torn or too old."""
    database = folder / "tortured.db"
    make_database(database, 5)
    writer = Writer(database, folder / "tortured", 0, 20)
    checkpointer = subprocess.Popen([sys.executable, "-c", CHECKPOINTER, str(database)])
    broken = 0
    try:
        for _round in range(rounds):
            before = sqlite3.connect(database, timeout=30)
            committed = before.execute("SELECT value FROM counter").fetchone()[0]
            before.close()
            target = folder / "snapshot.db"
            _sqlite_snapshot.take_snapshot(database, target, 60)
            broken += state_of(target) < committed
            target.unlink()
    finally:
        checkpointer.kill()
        checkpointer.wait()
        writer.stop()
    print(f"\ntorture: {rounds} snapshots, {broken} torn or too old, {len(writer.commits())} commits meanwhile")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 MB and 100 rounds of torture only")
    parser.add_argument("--folder", type=Path, help="where to measure (default: the folder for temporary files)")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        for megabytes, rounds in ((10, 5),) if arguments.quick else ((10, 9), (100, 7), (1000, 3)):
            compare(folder, megabytes, rounds)
            for path in folder.glob("live.db*"):
                path.unlink()
        return 1 if torture(folder, 100 if arguments.quick else 1000) else 0
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
