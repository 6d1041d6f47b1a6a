# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups and restores that are killed at every call with which they change a file, or refused by the system there."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup, online, restore
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import manifest as sqlite_manifest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import Host, leave_wal

CHANGING = (
    "fchmod",
    "fchown",
    "fsync",
    "ftruncate",
    "link",
    "mkdir",
    "open",
    "rename",
    "replace",
    "sendfile",
    "unlink",
)
# More than any of them needs; the test ends when nothing is left to be killed.
MOST_CALLS = 500

# What is done hundreds of times is done without the counting of lines, which takes twice as long.
pytestmark = pytest.mark.no_cover


def run_with_fault(work, at, fault):
    """Do the work in a child whose call number `at` meets the fault, and say whether it got that far."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] != 0
    calls = []

    def meet(name, real):
        def call(*arguments, **options):
            # A folder on the way is opened to be looked at, which changes nothing.
            if not (name == "open" and arguments[1] & os.O_PATH):
                calls.append(name)
                if len(calls) == at:
                    fault(name)
            return real(*arguments, **options)

        return call

    status = 1
    try:
        for name in CHANGING:
            setattr(os, name, meet(name, getattr(os, name)))
        work()
        status = 0
    except SqliteError:
        status = 2
    finally:
        os._exit(status)


def kill(_name):
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(_name):
    raise OSError(5, "Input/output error")


class Template:
    """A host that is brought back to what it was before each attempt."""

    def __init__(self, host):
        self.host = host
        self.copy = host.folder.with_name(f"{host.folder.name}-template")
        shutil.copytree(host.folder, self.copy, symlinks=True)

    def bring_back(self):
        shutil.rmtree(self.host.folder)
        shutil.copytree(self.copy, self.host.folder, symlinks=True)


def close_cleanly(host):
    host.sql("INSERT INTO t VALUES (3)")


def hidden(host):
    return [path.name for path in host.folder.rglob(".*") if path.name != ".lock"]


@pytest.mark.parametrize("fault", [kill, refuse])
@pytest.mark.parametrize("prepare", [leave_wal, close_cleanly])
@pytest.mark.parametrize("how", [restore.restore, online.restore_online])
def test_a_restore_leaves_the_old_database_or_the_new_one(tmp_path, how, prepare, fault):
    (tmp_path / "host").mkdir()
    host = Host(tmp_path / "host")
    prepare(host)
    template = Template(host)
    seen = set()
    for at in range(1, MOST_CALLS):
        template.bring_back()
        met = run_with_fault(lambda: how(host.wanted), at, fault)
        rows = host.read("SELECT count(*) FROM t")
        assert (rows in (2, 3), host.read("PRAGMA integrity_check")) == (True, "ok"), at
        if rows == 2:
            assert host.read("SELECT count(*) FROM t", host.kept / "app.db") == 3, at
        seen.add(rows)
        how(replace(host.wanted, token="again"))
        assert (host.read("SELECT count(*) FROM t"), hidden(host)) == (2, []), at
        if not met:
            break
    assert (met, seen) == (False, {2, 3})


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_backup_that_is_killed_has_no_name_or_is_whole(tmp_path, compression):
    (tmp_path / "host").mkdir()
    host = Host(tmp_path / "host")
    template = Template(host)
    for at in range(1, MOST_CALLS):
        template.bring_back()
        plan = host.plan("0a1b2c", compression=compression)
        killed = run_with_fault(lambda plan=plan: backup.make_backup(plan), at, kill)
        folder = host.folder / "backups"
        found = [m for m in sqlite_manifest.list_backups(folder) if os.path.lexists(m["path"])]
        assert [sqlite_manifest.verify_backup(manifest) for manifest in found] == [""] * len(found), at
        named = [name for name in os.listdir(folder) if not name.startswith(".") and not name.endswith(".json")]
        assert sorted(named) == sorted(os.path.basename(manifest["path"]) for manifest in found), at
        backup.make_backup(host.plan("3d4e5f"))
        assert hidden(host) == [], at
        if not killed:
            break
    assert (killed, len(found)) == (False, 2)
