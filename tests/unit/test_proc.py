# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _proc

TCP = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
    "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1\n"
    "   1: 0100007F:0BB9 0100007F:9999 01 00000000:00000000 00:00000000 00000000  1000        0 778 1\n"
)


def process(proc, pid, parent=1, state="S", files=(), environment=b"", name="node"):
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} (a (odd) name) {state} {parent} 0")
    (folder / "environ").write_bytes(environment)
    (folder / "comm").write_text(f"{name}\n")
    for number, target in enumerate(files):
        (folder / "fd" / str(number)).symlink_to(target)


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)
    return tmp_path


@pytest.mark.parametrize("state, alive", [("S", True), ("Z", False)])
def test_a_zombie_is_not_alive(proc, state, alive):
    process(proc, 5, state=state)
    assert _proc.is_alive(5, proc) is alive


def test_a_process_that_ended_is_not_alive(proc):
    assert _proc.is_alive(5, proc) is False


def test_descendants_are_found_over_generations(proc):
    for pid, parent in ((10, 1), (11, 10), (12, 11), (20, 1)):
        process(proc, pid, parent)
    assert _proc.with_descendants([10, 11], proc) == {10, 11, 12}


def test_listening_ports_are_those_of_the_processes(proc):
    process(proc, 10, files=["socket:[777]", "socket:[778]", "/dev/null"])
    process(proc, 11, files=["/dev/null"])
    assert _proc.listening_ports([10, 11, 12], proc) == [3000]
    assert _proc.listening_ports([11], proc) == []


def test_a_file_that_is_closed_meanwhile_hides_no_other(proc, monkeypatch):
    process(proc, 10, files=["gone", "socket:[777]"])
    paths = [str(proc / "10" / "fd" / "9"), str(proc / "10" / "fd" / "1")]
    monkeypatch.setattr(_proc, "_descriptors", lambda *_arguments: iter(paths))
    assert _proc.listening_ports([10], proc) == [3000]


def test_a_real_socket_is_seen():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert listener.getsockname()[1] in _proc.listening_ports([os.getpid()])


def test_holders_of_a_file_are_found_by_device_and_inode(proc, tmp_path):
    database = tmp_path / "app.db"
    database.write_text("")
    status = database.stat()
    process(proc, 10, files=["gone", database], name="server")
    process(proc, 11, files=[tmp_path])
    process(proc, os.getpid(), files=[database])
    assert _proc.holders(frozenset({(status.st_dev, status.st_ino)}), proc) == {10: "server"}


def test_the_name_of_a_process_that_ended_is_a_question_mark(proc):
    assert _proc.name_of(5, proc) == "?"


def test_processes_are_found_by_their_environment(proc):
    process(proc, 10, environment=b"A=1\0B=2\0")
    process(proc, 11, environment=b"A=1\0")
    (proc / "12").mkdir()
    assert _proc.with_environment({"A": "1", "B": "2"}, proc) == [10]
