# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database to be backed up, and a host whose database is to be restored, for the tests of every part of that."""

from __future__ import annotations

import contextlib
import resource
import sqlite3
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup, backup_plan, update
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.restore_plan import Restore

NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)


def plan(folder, dest="backups", token="abc", **settings):
    """Plan a backup of the database that the fixture `live` makes."""
    path = folder / "data" / "app.db"
    return backup_plan.plan_backup(path, f"{folder}/{dest}", NOW, token, **{"timeout": 5, **settings})


class Host:
    """A live database with two rows, and a backup of it."""

    def __init__(self, folder, mode="WAL", **settings):
        (folder / "data").mkdir()
        self.folder, self.path = folder, folder / "data" / "app.db"
        self.aside = folder / "aside"
        self.kept = self.aside / "app.db.20260219T020000Z.xyz.replaced"
        self.sql(f"PRAGMA journal_mode = {mode}; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);")
        self.manifest = backup.make_backup(self.plan("abc", **settings))
        self.wanted = Restore(self.path, self.manifest, self.aside, 5, NOW, "xyz")

    def plan(self, token, **settings):
        return backup_plan.plan_backup(self.path, str(self.folder / "backups"), NOW, token, timeout=5, **settings)

    def want(self, **changes):
        self.wanted = replace(self.wanted, **changes)
        return self.wanted

    def want_update(self):
        """Make the restore one of an updated backup, with a third row."""
        self.sql("INSERT INTO t VALUES (3)")
        plan = backup_plan.plan_update(self.plan("upd"), str(self.folder / "backups"))
        return self.want(manifest=update.update_backup(plan, self.manifest))

    def sql(self, script):
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as opened:
            opened.executescript(script)

    def read(self, statement, path=None):
        with contextlib.closing(sqlite3.connect(path or self.path)) as opened:
            return opened.execute(statement).fetchone()[0]

    def damage(self):
        """Overwrite pages of the database, and return its content."""
        self.sql("PRAGMA journal_mode = DELETE;" + "INSERT INTO t VALUES (randomblob(3000));" * 20)
        content = bytearray(self.path.read_bytes())
        content[4096:40960] = b"\xff" * 36864
        self.path.write_bytes(content)
        return bytes(content)


def leave_wal(host):
    """Add a row as an app does that is killed then: it is in the WAL only."""
    app = sqlite3.connect(host.path, isolation_level=None)
    app.execute("INSERT INTO t VALUES (3)")
    left = {suffix: Path(f"{host.path}{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}
    app.close()
    for suffix, content in left.items():
        Path(f"{host.path}{suffix}").write_bytes(content)


def leave_long_wal(host):
    """Leave a WAL as a killed app does, with rows for which the file of the database has to grow."""
    app = sqlite3.connect(host.path, isolation_level=None)
    app.executemany("INSERT INTO t VALUES (?)", [("y" * 3000,)] * 100)
    app.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    app.executemany("INSERT INTO t VALUES (?)", [("z" * 3000,)] * 10)
    left = {suffix: Path(f"{host.path}{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}
    app.close()
    for suffix, content in left.items():
        Path(f"{host.path}{suffix}").write_bytes(content)


@contextlib.contextmanager
def no_longer_than(size):
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
