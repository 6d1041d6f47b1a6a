# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app whose user may not make files next to its database, which root backs up and restores."""

from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api, backup, restore, sidecars
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import connection
from sqlite_host import NOW, Host, leave_wal

SHOP = 12345


@pytest.fixture
def host(tmp_path, owners):
    """Return a host whose database belongs to the shop, in a folder of root, with the files that it writes to."""
    host = Host(tmp_path)
    leave_wal(host)
    for suffix in ("", "-wal", "-shm"):
        path = tmp_path / "data" / f"app.db{suffix}"
        path.chmod(0o640)
        owners.give(path, SHOP)
    return host


def there(host):
    """Return name -> mode and owner of what lies next to the database."""
    found = {path.name: path.stat() for path in host.path.parent.iterdir() if path != host.path}
    return {name: (oct(status.st_mode & 0o777), status.st_uid) for name, status in found.items()}


def back_up(host):
    backup.make_backup(host.plan("more"))


def update(host):
    dest = str(host.folder / "backups")
    api.back_up(api.BackUp(str(host.path), dest, host.manifest["path"], timeout=5), NOW, "upd")


def put_back(host):
    assert restore.restore(host.wanted)["restored"] is True


def look(host):
    api.inspect(host.path, 5)
    with connection(host.path, 5) as opened:
        opened.execute("INSERT INTO t VALUES (4)")


@pytest.mark.parametrize("work", [back_up, update, put_back, look])
def test_root_leaves_the_files_that_the_user_of_the_app_could_not_make_again(host, work):
    before = there(host)
    work(host)
    assert (there(host), sorted(before)) == (before, ["app.db-shm", "app.db-wal"])
    assert host.read("PRAGMA integrity_check") == "ok"


def test_where_the_app_can_make_them_nothing_is_left(host, owners):
    owners.give(host.path.parent, SHOP)
    back_up(host)
    assert there(host) == {}


def test_a_user_leaves_what_sqlite_leaves(host, monkeypatch):
    monkeypatch.setattr(sidecars.os, "geteuid", lambda: 12345)
    with connection(host.path, 5):
        pass
    assert there(host) == {}


def test_what_was_not_there_is_not_made(host):
    host.sql("PRAGMA journal_mode = DELETE")
    back_up(host)
    assert there(host) == {}


def test_a_database_that_is_gone_meanwhile_gets_no_files(host):
    with sidecars.kept(host.path):
        for path in list(host.path.parent.iterdir()):
            path.unlink()
    assert os.listdir(host.path.parent) == []


def test_what_somebody_else_makes_meanwhile_is_left_alone(host):
    wal = host.path.with_name("app.db-wal")
    with sidecars.kept(host.path):
        wal.write_bytes(b"theirs")
    assert wal.read_bytes() == b"theirs"


def test_a_database_that_is_restored_without_a_wal_gets_none(host):
    host.want(manifest={**host.manifest, "journal_mode": "delete"})
    put_back(host)
    assert there(host) == {}
