# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore set aside is a backup like others: it can be found, restored, and is removed when no rule keeps it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api, manifest, online, restore
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Retention
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import NOW, Host, leave_long_wal, leave_wal, no_longer_than


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def restore_aside(host, token="back", **more):
    return api.restore(api.plan_restore(str(host.kept), str(host.path), 5, NOW, token, **more))


@pytest.mark.parametrize("way", [restore.restore, online.restore_online])
def test_what_was_set_aside_can_be_restored_and_that_sets_aside_again(host, way):
    host.sql("INSERT INTO t VALUES (3)")
    way(host.wanted)
    done = restore_aside(host)
    assert (done["restored"], host.read("SELECT count(*) FROM t"), host.read("PRAGMA journal_mode")) == (True, 3, "wal")
    assert Path(done["set_aside"]).parent == host.aside
    again = api.restore(api.plan_restore(done["set_aside"], str(host.path), 5, NOW, "again"))
    assert (again["restored"], host.read("SELECT count(*) FROM t")) == (True, 2)


def test_what_a_killed_app_left_next_to_it_is_restored_with_it(host):
    leave_wal(host)
    restore.restore(host.wanted)
    known = manifest.read_backup(host.kept)
    assert (known["sidecars"], api.describe_backups(host.aside, 5)[0]["sound"]) == (["-wal"], True)
    assert restore_aside(host)["restored"] is True
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA integrity_check")) == (3, "ok")
    assert os.listdir(host.path.parent) == ["app.db"]
    (host.kept / "app.db-wal").unlink()
    with pytest.raises(SqliteError, match="is not sound: its -wal is missing"):
        restore_aside(host, "once more")


def test_rows_of_a_wal_that_cannot_be_folded_are_not_left_out(host):
    leave_long_wal(host)
    size = host.path.stat().st_size
    restore.restore(host.wanted)
    with no_longer_than(size), pytest.raises(SqliteError, match=r"(No space is left|disk I/O error)"):
        restore_aside(host)
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.path.parent)) == (2, ["app.db"])
    assert (restore_aside(host, "once more")["restored"], host.read("SELECT count(*) FROM t")) == (True, 112)


def test_a_damaged_one_is_listed_as_such_and_not_restored(host):
    host.damage()
    restore.restore(host.want(only_if_changed=True))
    listed = api.describe_backups(host.aside, 5)[0]
    assert (listed["sound"], listed["method"], listed["row_counts"]) == (False, "set_aside", None)
    with pytest.raises(SqliteError, match="is not sound: "):
        restore_aside(host)


def test_a_folder_without_a_manifest_is_none_of_ours(host):
    host.kept.mkdir(parents=True)
    with pytest.raises(SqliteError, match="replaced has no manifest, so it is no whole database"):
        restore_aside(host)


def set_aside(host, *tokens):
    for token in tokens:
        host.sql("INSERT INTO t VALUES (3)")
        restore.restore(host.want(token=token, aside=Path(host.manifest["path"]).parent))
    return sorted(path for path in host.wanted.aside.iterdir() if path.is_dir())


def test_the_rules_keep_as_many_of_them_as_of_backups(host):
    first, second, third = set_aside(host, "a", "b", "c")
    done = api.remove(str(host.wanted.aside), str(host.path), Retention({"last": 2}), False)
    assert (done["removed"], first.exists()) == ([str(first / "app.db")], False)
    assert (second.exists(), third.exists(), Path(host.manifest["path"]).exists()) == (True, True, True)


def test_one_that_a_release_record_names_is_not_removed(host):
    first, second = set_aside(host, "a", "b")
    api.remove(str(host.wanted.aside), str(host.path), Retention({"last": 0}, (), lambda: [str(first)]), False)
    assert (first.exists(), second.exists()) == (True, False)


def test_the_newest_backup_is_none_that_was_set_aside(host):
    set_aside(host, "a")
    wanted = api.BackUp(str(host.path), str(host.wanted.aside), timeout=5)
    assert api.back_up(wanted, NOW, "new")["before"]["path"] == host.manifest["path"]


@pytest.mark.parametrize("left", ["a stranger's file", None])
def test_a_folder_in_which_somebody_keeps_something_else_is_named(host, left):
    folder = set_aside(host, "a")[0]
    if left:
        (folder / left).write_text("")
        with pytest.raises(SqliteError, match="Cannot remove the backup"):
            api.remove(str(host.wanted.aside), str(host.path), Retention({"last": 0}), False)
    else:
        api.remove(str(host.wanted.aside), str(host.path), Retention({"last": 0}), False)
    assert folder.exists() is bool(left)
