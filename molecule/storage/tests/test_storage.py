# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest


def query(host, path, sql):
    return host.check_output(f"sqlite3 {path} '{sql}'")


def test_what_was_refused_left_the_database_as_it_was(host):
    assert query(host, "/srv/small/app.db", "PRAGMA integrity_check; SELECT count(*) FROM orders") == "ok\n2"
    # The database fills its filesystem, so SQLite had to leave the last change in the WAL.
    left = {name for name in host.file("/srv/small").listdir() if not name.endswith(("-wal", "-shm"))}
    assert (left, host.file("/srv/small/backups").listdir()) == ({"app.db", "backups"}, [])


@pytest.mark.parametrize("name", ["fixed.db", "app.db.*.db"])
def test_the_backups_are_whole(host, name):
    path = host.check_output(f"ls /srv/backups/{name}")
    assert query(host, path, "PRAGMA integrity_check; SELECT count(*) FROM orders") == "ok\n1"
    assert (host.file(path).mode, host.file(f"{path}.json").mode) == (0o600, 0o600)


def test_the_read_only_database_was_not_touched(host):
    assert host.file("/srv/data").listdir() == ["app.db"]
