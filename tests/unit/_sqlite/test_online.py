# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import online
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import Host


@pytest.fixture(params=["WAL", "DELETE"])
def host(tmp_path, request):
    return Host(tmp_path, mode=request.param)


@pytest.fixture
def app(host):
    """A connection that stays open all the time, with statements that it keeps prepared."""
    opened = sqlite3.connect(host.path, isolation_level=None)
    yield opened
    opened.close()


def test_a_database_is_restored_under_an_app_that_has_it_open(host, app):
    mode = host.read("PRAGMA journal_mode")
    app.execute("INSERT INTO t VALUES (3)")
    done = online.restore_online(host.wanted)
    assert (done["changed"], done["lost"], done["set_aside"]) == (
        True,
        "t: 1 row newer than the backup",
        str(host.kept),
    )
    assert app.execute("SELECT count(*) FROM t").fetchone() == (2,)
    app.execute("INSERT INTO t VALUES (9)")
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA integrity_check")) == (3, "ok")
    assert (host.read("SELECT count(*) FROM t", host.kept / "app.db"), host.read("PRAGMA journal_mode")) == (3, mode)
    assert (os.listdir(host.aside), sorted(os.listdir(host.kept))) == ([host.kept.name], ["app.db", "app.db.json"])


def test_restoring_online_what_is_there_changes_nothing(host, app):
    app.execute("INSERT INTO t VALUES (3)")
    online.restore_online(host.wanted)
    again = online.restore_online(host.want(token="again"))
    assert (again["changed"], again["reason"]) == (False, "the database holds what the backup holds")
    assert os.listdir(host.aside) == [host.kept.name]


def test_a_database_of_the_same_schema_can_be_left_alone(host, app):
    app.execute("INSERT INTO t VALUES (3)")
    assert online.restore_online(host.want(only_if_changed=True))["changed"] is False


def test_another_page_size_is_exchanged_where_that_is_possible(tmp_path):
    host = Host(tmp_path, mode="DELETE")
    host.sql("INSERT INTO t VALUES (3); PRAGMA page_size = 8192; VACUUM;")
    assert online.restore_online(host.wanted)["changed"] is True
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA page_size")) == (2, 4096)


@pytest.mark.parametrize("compression", ["gzip", "none"])
def test_a_backup_that_is_no_plain_file_is_unpacked_first(tmp_path, compression):
    host = Host(tmp_path, compression=compression)
    rows = 2
    if compression == "none":
        host.want_update()
        rows = 3
    host.sql("DELETE FROM t")
    assert online.restore_online(host.wanted)["changed"] is True
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.aside)) == (rows, [host.kept.name])


def test_a_lock_that_is_not_released_is_reported(host, app):
    app.execute("BEGIN IMMEDIATE")
    app.execute("INSERT INTO t VALUES (3)")
    with pytest.raises(SqliteError, match=r"app.db is locked by another process for more than 0.01 seconds"):
        online.restore_online(host.want(timeout=0.01))
    app.execute("COMMIT")
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.aside)) == (3, [])


def test_no_row_is_committed_between_what_is_set_aside_and_what_is_restored(host, app, monkeypatch):
    copied = online.name_kept

    def try_to_write(wanted):
        app.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            app.execute("INSERT INTO t VALUES (4)")
        return copied(wanted)

    monkeypatch.setattr(online, "name_kept", try_to_write)
    app.execute("INSERT INTO t VALUES (3)")
    assert online.restore_online(host.wanted)["changed"] is True


def test_a_restore_that_ends_with_another_schema_keeps_what_it_set_aside(host):
    host.want(manifest={**host.manifest, "schema_sha256": "0"})
    with pytest.raises(SqliteError, match="was restored, but its schema differs; inspect .*replaced"):
        host.sql("INSERT INTO t VALUES (3)")
        online.restore_online(host.wanted)
    assert host.read("SELECT count(*) FROM t", host.kept / "app.db") == 3


def test_a_database_that_is_missing_cannot_be_restored_online(host):
    host.path.unlink()
    with pytest.raises(SqliteError, match="cannot be restored online, it does not exist; stop the app"):
        online.restore_online(host.wanted)
