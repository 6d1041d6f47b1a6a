# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the live snapshot against what a user would run instead, side by side, and torture it.

    ./greenlight bench sqlite [--quick]

The table gives the median seconds of each method to copy a database, without and with a writer of about 200 commits a
second, its ratio to `cp` and fsync, the longest commit of the writer meanwhile, how many copies were whole, and how
many rows they lacked that had been committed before they were begun. `cp` is the limit in speed, and unsafe. A method
that does not end is given up. The last lines are an update of a backup after one row was changed, and the
torture: snapshots while a writer commits as fast as it can and a second process checkpoints, and restores that are
killed at some moment.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import os
import random
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / ".cache" / "collections"))

from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import (
    backup,
    backup_plan,
    restore,
    restore_plan,
    snapshot,
    update,
)

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


def shell(source: Path, *words: str) -> None:
    subprocess.run(["sqlite3", str(source), *words], check=True, stdout=subprocess.DEVNULL, timeout=GIVEN_UP_AFTER)


def copy_with_shell(source: Path, target: Path) -> None:
    shell(source, f".backup {target}")
    sync(target)


def copy_with_shell_held(source: Path, target: Path) -> None:
    shell(source, "BEGIN", "SELECT 1 FROM sqlite_master LIMIT 1", f".backup {target}", "COMMIT")
    sync(target)


def verify_one_after_the_other(target: Path) -> None:
    """Do what our verified backup does at the same time."""
    files.sha256_of(target)
    with contextlib.closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA quick_check").fetchall()
        for table in ("counter", "ledger", "filler"):
            copy.execute(f"SELECT count(*) FROM {table}").fetchone()


def verified_backup_api(source: Path, target: Path) -> None:
    copy_with_backup_api(source, target)
    verify_one_after_the_other(target)


def verified_vacuum(source: Path, target: Path) -> None:
    copy_with_vacuum(source, target)
    verify_one_after_the_other(target)


def plan_of(source: Path, token: str, verify: str = "quick") -> backup_plan.BackupPlan:
    folder = str(source.parent / "ours")
    return backup_plan.plan_backup(source, folder, datetime.now(timezone.utc), token, verify=verify)


def unverified_ours(source: Path, target: Path) -> None:
    os.replace(backup.make_backup(plan_of(source, target.name, "none"))["path"], target)


def verified_ours(source: Path, target: Path) -> None:
    os.replace(backup.make_backup(plan_of(source, target.name))["path"], target)


GIVEN_UP_AFTER = 15
METHODS: dict[str, Callable[[Path, Path], None]] = {
    "cp + fsync (unsafe)": copy_with_cp,
    "sqlite3 .backup": copy_with_shell,
    "sqlite3 .backup, read held": copy_with_shell_held,
    "Connection.backup(pages=-1)": copy_with_backup_api,
    "VACUUM INTO": copy_with_vacuum,
    "ours, unverified": unverified_ours,
    "Connection.backup, then verified": verified_backup_api,
    "VACUUM INTO, then verified": verified_vacuum,
    "ours, verified": verified_ours,
}
# The best rounds are those that other work on the machine disturbed least.
PICKS: tuple[Callable[[list[float]], float], ...] = (statistics.median, min)
VERIFIED_PEERS = ("Connection.backup, then verified", "VACUUM INTO, then verified")


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


@dataclass
class Result:
    """The results of one method: seconds of each round, the writer's longest commit, whole copies, rows lost."""

    times: list[float] = field(default_factory=list)
    longest: float = 0.0
    whole: int = 0
    lost: int = 0
    never_ends: bool = False


def measure(
    method: Callable[[Path, Path], None], database: Path, target: Path, writer: Writer | None, to: Result
) -> None:
    before = writer.commits() if writer else []
    began = time.perf_counter()
    try:
        method(database, target)
    except subprocess.TimeoutExpired:
        to.never_ends = True
        return
    to.times.append(time.perf_counter() - began)
    if writer:
        meanwhile = writer.commits()[len(before) :]
        to.longest = max([to.longest, *(seconds for _number, seconds in meanwhile)])
    committed, rows = before[-1][0] if before else 0, state_of(target)
    to.whole += rows >= committed
    to.lost += max(0, committed - max(rows, 0)) if rows < committed else 0


def compare(folder: Path, megabytes: int, rounds: int, with_writer: bool) -> None:
    """Print the table for one size, the methods in another order each round to spread the load of the machine."""
    database = folder / "live.db"
    make_database(database, megabytes)
    results = {name: Result() for name in METHODS}
    writer = Writer(database, folder / "commits", 0.004, 1000) if with_writer else None
    try:
        for number in range(rounds):
            for name in random.Random(number).sample(list(METHODS), len(METHODS)):
                if not results[name].never_ends:
                    warm_page_cache(database)
                    measure(METHODS[name], database, folder / f"copy-{number}.db", writer, results[name])
                for path in folder.glob("copy-*"):
                    path.unlink()
    finally:
        if writer:
            writer.stop()
    what = "a writer of about 200 commits a second" if with_writer else "no writer"
    print(f"\n{megabytes} MB, {what}, {rounds} rounds")
    print_results(results)
    for path in folder.glob("live.db*"):
        path.unlink()


def warm_page_cache(database: Path) -> None:
    """Fill and free as much page cache as a copy takes: memory that a virtual machine returned is slow to get again."""
    filler = database.with_name("filler")
    shutil.copyfile(database, filler)
    filler.unlink()


def print_results(results: dict[str, Result]) -> None:
    limit = statistics.median(results["cp + fsync (unsafe)"].times)
    print(f"{'method':<34}{'median s':>10}{'to cp':>8}{'longest commit ms':>20}{'whole':>10}{'rows lost':>11}")
    for name, result in results.items():
        if result.never_ends:
            print(f"{name:<34}given up after {GIVEN_UP_AFTER} s")
            continue
        middle, rounds = statistics.median(result.times), len(result.times)
        line = f"{name:<34}{middle:>10.3f}{middle / limit:>8.2f}{result.longest * 1000:>20.1f}"
        print(f"{line}{result.whole:>5} of {rounds:<2}{result.lost:>11}", flush=True)
    for what, ours, peers, goal in (
        ("ours unverified / cp + fsync", "ours, unverified", ("cp + fsync (unsafe)",), 1.15),
        (
            "ours verified / the best safe peer doing the same one after the other",
            "ours, verified",
            VERIFIED_PEERS,
            0.5,
        ),
    ):
        ratios = [pick(results[ours].times) / min(pick(results[peer].times) for peer in peers) for pick in PICKS]
        print(f"{what}: {ratios[0]:.2f}, by the best rounds {ratios[1]:.2f} (goal: {goal})", flush=True)


def compare_updates(folder: Path, megabytes: int, rounds: int) -> None:
    """Print what an update costs after one row was changed, against a new verified backup, in both journal modes."""
    for mode in ("WAL", "DELETE"):
        database = folder / "live.db"
        make_database(database, megabytes)
        times: dict[str, list[float]] = {"whole": [], "compared": [], "from the WAL": []}
        connection = sqlite3.connect(database, isolation_level=None)
        connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()
        for number in range(rounds):
            connection.execute("INSERT OR REPLACE INTO ledger VALUES (0, 'before')")
            plan = plan_of(database, f"{number}w")
            base = timed(times["whole"], lambda p=plan: backup.make_backup(p))
            connection.execute("UPDATE ledger SET pad = 'after' WHERE number = 0")
            name = "compared"
            if mode == "WAL" and number % 2:
                name = "from the WAL"
                close_keeping_wal(database, connection)
            else:
                connection.close()
            plan = dataclasses.replace(plan_of(database, f"{number}u"), final=folder / "ours" / f"{number}.pages")
            timed(times[name], lambda p=plan, b=base: update.update_backup(p, b))
            connection = sqlite3.connect(database, isolation_level=None)
            shutil.rmtree(folder / "ours")
        connection.close()
        whole = statistics.median(times.pop("whole"))
        shown = {name: statistics.median(taken) for name, taken in times.items() if taken}
        parts = ", ".join(f"update {name} {middle:.4f} s ({middle / whole:.3f})" for name, middle in shown.items())
        print(f"{megabytes} MB, {mode}: a new verified backup {whole:.3f} s, {parts}", flush=True)
        for path in folder.glob("live.db*"):
            path.unlink()


def timed(times: list[float], work: Callable[[], Any]) -> Any:
    began = time.perf_counter()
    result = work()
    times.append(time.perf_counter() - began)
    return result


def close_keeping_wal(database: Path, connection: sqlite3.Connection) -> None:
    """Close a connection as if its process were killed: a read-only one that closes last leaves the WAL."""
    reader = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    reader.execute("SELECT 1 FROM sqlite_master").fetchone()
    connection.close()
    reader.close()


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
            snapshot.take_snapshot(database, target, 60)
            broken += state_of(target) < committed
            target.unlink()
    finally:
        checkpointer.kill()
        checkpointer.wait()
        writer.stop()
    print(f"\ntorture: {rounds} snapshots, {broken} torn or too old, {len(writer.commits())} commits meanwhile")
    return broken


def kill_restores(folder: Path, rounds: int) -> int:
    """Kill restores after times that are spread over how long one takes; return how many left a broken database."""
    database = folder / "killed.db"
    make_database(database, 20)
    manifest = backup.make_backup(plan_of(database, "base"))
    connection = sqlite3.connect(database, isolation_level=None)
    broken, restored = 0, 0
    for number in range(rounds):
        connection.execute("INSERT INTO ledger SELECT value + 1, 'later' FROM counter")
        connection.execute("UPDATE counter SET value = value + 1")
        connection.close()
        wanted = restore_plan.Restore(database, manifest, folder / "aside", 10, datetime.now(timezone.utc), str(number))
        child = os.fork()
        if child == 0:
            restore.restore(wanted)
            os._exit(0)
        time.sleep(0.2 * number / rounds)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        rows = state_of(database)
        broken += rows < 0
        restored += rows == 0
        connection = sqlite3.connect(database, isolation_level=None)
    connection.close()
    print(f"torture: {rounds} restores killed, {broken} left a broken database, {restored} had restored it already")
    return broken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 MB and a tenth of the torture only")
    parser.add_argument("--folder", type=Path, help="where to measure (default: the folder for temporary files)")
    arguments = parser.parse_args()
    if not shutil.which("sqlite3"):
        print("The shell sqlite3, one of the peers, is not installed; apt-get install sqlite3", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        for megabytes, rounds in ((10, 5),) if arguments.quick else ((10, 9), (100, 7), (1000, 7)):
            for with_writer in (False, True):
                compare(folder, megabytes, rounds, with_writer)
        print()
        for megabytes in (10,) if arguments.quick else (10, 100, 1000):
            compare_updates(folder, megabytes, 6)
        rounds = 100 if arguments.quick else 1000
        return 1 if torture(folder, rounds) + kill_restores(folder, rounds // 5) else 0
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
