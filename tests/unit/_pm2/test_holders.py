# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import holders
from ansible_collections.greenlight.release.plugins.module_utils._pm2.holders import HolderWatch
from pm2_fakes import listed

# Opens the file when it is told to, and closes it when it is told so again.
HOLDS = """
import sys
for _turn in range(2):
    sys.stdin.readline()
    with open(sys.argv[1]):
        print("open", flush=True)
        sys.stdin.readline()
    print("closed", flush=True)
"""


@pytest.fixture
def holder(tmp_path):
    """Return a process that opens the log next to a database, and what makes it go on."""
    (tmp_path / "shop.db-wal").touch()
    words = [sys.executable, "-c", HOLDS, str(tmp_path / "shop.db-wal")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def go_on():
            process.stdin.write(chr(10))
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield process, go_on
        process.kill()


def test_what_has_a_database_open_for_a_moment_only_is_found_while_pm2_is_watched(holder, tmp_path):
    process, go_on = holder
    worker = {**listed(4, pid=process.pid), "name": "worker"}
    watch = HolderWatch([str(tmp_path / "shop.db")])
    watch.begin([worker, listed(5, status="stopped")])
    watch.sample()
    assert go_on() == "open"
    watch.sample()
    assert go_on() == "closed"
    (found,) = watch.end([worker])
    assert (found["pid"], found["process"], found["role"]) == (process.pid, "worker", "works")


def test_what_pm2_does_not_run_has_no_name_there(holder, tmp_path):
    process, go_on = holder
    assert go_on() == "open"
    (found,) = HolderWatch([str(tmp_path / "shop.db")]).end([])
    assert (found["pid"], found["process"], found["role"]) == (process.pid, "", "")
    assert HolderWatch([]).end([]) == []


@pytest.mark.parametrize(
    "env, ports, role",
    [
        ({}, [], "works"),
        ({}, [3000], "serves"),
        ({"exec_mode": "cluster_mode"}, [], "serves"),
        ({"autorestart": False}, [3000], "runs"),
    ],
)
def test_what_a_holder_does_is_known_by_its_settings_and_its_ports(holder, tmp_path, monkeypatch, env, ports, role):
    process, go_on = holder
    go_on()
    monkeypatch.setattr(holders.proc, "listening_ports", lambda _pids: ports)
    watch = HolderWatch([str(tmp_path / "shop.db")])
    assert watch.end([listed(4, pid=process.pid, **env)])[0]["role"] == role
