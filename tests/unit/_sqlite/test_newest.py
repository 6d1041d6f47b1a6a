# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup as sqlite_backup
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import drill, off_host
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.newest import describe_newest
from sqlite_host import NOW, Host

NOTHING = {"backup": None, "off_host": None, "off_host_problem": "", "drill": None}


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def copy(host, command):
    wanted = off_host.Copying([host.wanted.manifest["path"]], command, dict(os.environ))
    return off_host.copy(wanted, lambda: NOW + timedelta(minutes=1), lambda: 0.0)


def test_where_there_is_nothing_nothing_is_known(tmp_path):
    assert describe_newest(tmp_path / "none", None, tmp_path) == NOTHING
    assert describe_newest(tmp_path, tmp_path / "app.db", None) == NOTHING


def test_the_newest_backup_may_have_no_copy_yet(host):
    backups = host.folder / "backups"
    first = {"path": host.manifest["path"], "created": host.manifest["created"]}
    assert describe_newest(backups, host.path, None) == {**NOTHING, "backup": first}
    copy(host, ["true", "{file}"])
    copied = {**first, "copied_at": "2026-02-19T02:01:00Z"}
    host.want_update()
    update = {"path": host.wanted.manifest["path"], "created": host.wanted.manifest["created"]}
    assert describe_newest(backups, host.path, None) == {**NOTHING, "backup": update, "off_host": copied}
    problem = copy(host, ["false", "{file}"])["problem"]
    assert describe_newest(backups, None, None) == {
        **NOTHING,
        "backup": update,
        "off_host": copied,
        "off_host_problem": problem,
    }


def test_backups_of_another_database_and_those_that_are_gone_do_not_count(host):
    other = host.folder / "data" / "other.db"
    assert describe_newest(host.folder / "backups", other, None) == NOTHING
    later = sqlite_backup.make_backup(host.plan("new"))
    Path(later["path"]).unlink()
    assert describe_newest(host.folder / "backups", host.path, None)["backup"]["path"] == host.manifest["path"]


def test_the_last_drill_of_each_database_is_told(host):
    """One file has the drills of all, so that a good one of one database hides no bad one of another."""
    backups, other = host.folder / "backups", host.folder / "data" / "other.db"
    for path in (other, host.path):
        wanted = drill.Drill(str(backups), str(host.folder), str(path), state_path=str(host.folder))
        drill.drill(wanted, NOW, lambda: 0)
    assert describe_newest(backups, host.path, host.folder)["drill"]["good"] is True
    assert describe_newest(backups, other, host.folder)["drill"]["good"] is False
    assert describe_newest(backups, host.folder / "third.db", host.folder)["drill"] is None
    assert describe_newest(backups, None, host.folder)["drill"]["good"] is True


def test_the_last_drill_is_told(host):
    drill.drill(
        drill.Drill(str(host.folder / "backups"), str(host.folder), state_path=str(host.folder)), NOW, lambda: 0
    )
    assert describe_newest(host.folder / "backups", None, host.folder)["drill"]["good"] is True
