# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc as host_proc

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
    assert host_proc.is_alive(5, proc) is alive


def test_a_process_that_ended_is_not_alive(proc):
    assert host_proc.is_alive(5, proc) is False


@pytest.mark.parametrize("flags, holds", [(os.O_RDONLY, True), (os.O_PATH, False)])
def test_who_has_only_the_name_of_a_file_does_not_hold_it(tmp_path, flags, holds):
    path = tmp_path / "app.db"
    path.write_text("")
    descriptor = os.open(path, flags)
    with subprocess.Popen(["sleep", "60"], pass_fds=[descriptor]) as process_of_its_own:
        os.close(descriptor)
        status = path.stat()
        found = host_proc.holders(frozenset({(status.st_dev, status.st_ino)}))
        process_of_its_own.kill()
    assert (process_of_its_own.pid in found) is holds


def test_descendants_are_found_over_generations(proc):
    for pid, parent in ((10, 1), (11, 10), (12, 11), (20, 1)):
        process(proc, pid, parent)
    assert host_proc.with_descendants([10, 11], proc) == {10, 11, 12}


def test_listening_ports_are_those_of_the_processes(proc):
    process(proc, 10, files=["socket:[777]", "socket:[778]", "/dev/null"])
    process(proc, 11, files=["/dev/null"])
    assert host_proc.listening_ports([10, 11, 12], proc) == [3000]
    assert host_proc.listening_ports([11], proc) == []


def test_the_sockets_of_other_users_are_skipped(proc, monkeypatch):
    process(proc, 10, files=["socket:[777]"])
    process(proc, 11, files=["socket:[778]"])
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("11/fd"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert host_proc.sockets_of([11, 10], proc) == {"777"}


def test_a_real_socket_is_seen():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert listener.getsockname()[1] in host_proc.listening_ports([os.getpid()])


def test_holders_of_a_file_are_found_by_device_and_inode(proc, tmp_path):
    database = tmp_path / "app.db"
    database.write_text("")
    status = database.stat()
    process(proc, 10, files=["gone", database], name="server")
    process(proc, 11, files=[tmp_path])
    process(proc, os.getpid(), files=[database])
    (proc / "12").mkdir()
    assert host_proc.holders(frozenset({(status.st_dev, status.st_ino)}), proc) == {10: "server"}


def test_the_name_of_a_process_that_ended_is_a_question_mark(proc):
    assert host_proc.name_of(5, proc) == "?"


def test_processes_are_found_by_their_environment(proc):
    process(proc, 10, environment=b"A=1\0B=2=3\0odd\0")
    process(proc, 11, environment=b"B=2\0")
    (proc / "12").mkdir()
    assert list(host_proc.environments("A=1", proc)) == [(10, {"A": "1", "B": "2=3"})]


@pytest.mark.parametrize(
    "table, row, address",
    [
        ("tcp", "0100007F:0BB8", "127.0.0.1"),
        ("tcp", "00000000:0BB8", "127.0.0.1"),
        ("tcp", "0200000A:0BB8", "10.0.0.2"),
        ("tcp6", "00000000000000000000000000000000:0BB8", "::1"),
        ("tcp6", "00000000000000000000000001000000:0BB8", "::1"),
        ("tcp6", "B80D0120000000000000000001000000:0BB8", "2001:db8::1"),
    ],
)
@pytest.mark.skipif(sys.byteorder != "little", reason="the rows are those of a little-endian machine")
def test_a_listener_is_shown_with_an_address_that_reaches_it(tmp_path, table, row, address):
    (tmp_path / "net").mkdir()
    line = f"   0: {row} 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1\n"
    (tmp_path / "net" / table).write_text(f"  sl  local_address\n{line}")
    assert host_proc.listeners(tmp_path) == [host_proc.Listener(address, 3000, "777")]
    assert host_proc.open_ports(tmp_path) == {3000}


def test_accepted_connections_are_found_by_the_ports_that_they_come_from(proc):
    assert host_proc.accepted([0x9999, 1], proc) == {(3001, 0x9999): "778"}
    assert host_proc.accepted([2], proc) == {}


def test_whoever_listens_on_a_port_is_found(proc):
    process(proc, 10, files=["socket:[777]"], name="server")
    process(proc, 11, files=["socket:[778]"])
    assert host_proc.holders_of_port(3000, proc) == {10: "server"}
    assert host_proc.holders_of_port(1, proc) == {}


def test_what_a_process_is_and_where_it_works(proc, tmp_path):
    process(proc, 10, state="T")
    (proc / "10" / "cmdline").write_bytes(b"node\0server.js\0")
    (proc / "10" / "cwd").symlink_to(tmp_path)
    assert (host_proc.state_of(10, proc), host_proc.command_line(10, proc)) == ("T", "node server.js")
    assert host_proc.working_folder(10, proc) == str(tmp_path)


def test_a_file_is_read_in_the_folder_that_a_process_works_in(tmp_path):
    (tmp_path / "proc" / "10").mkdir(parents=True)
    (tmp_path / "proc" / "10" / "cwd").symlink_to(tmp_path)
    (tmp_path / "REVISION").write_text(" 0639294\n")
    os.mkfifo(tmp_path / "pipe")
    read = [host_proc.read_in_folder(10, name, 8, tmp_path / "proc") for name in ("REVISION", "pipe", "missing")]
    assert read == ["0639294", None, None]


def test_nothing_is_known_of_a_process_that_ended(proc):
    assert (host_proc.state_of(5, proc), host_proc.command_line(5, proc), host_proc.working_folder(5, proc)) == (
        "",
        "",
        "",
    )


def test_the_program_of_a_process_is_known_while_it_runs():
    assert host_proc.program_of(os.getpid()) == os.path.realpath(sys.executable)
    assert host_proc.program_of(0) == ""


def test_root_is_not_led_out_of_the_folder_of_a_process(tmp_path, owners):
    folder = tmp_path / "shop"
    for each in (tmp_path / "proc" / "10", folder):
        each.mkdir(parents=True)
    (tmp_path / "proc" / "10" / "cwd").symlink_to(folder)
    (tmp_path / "shadow").write_text("root:secret")
    (folder / "REVISION").symlink_to("../shadow")
    owners.give(folder / "REVISION", 12345)
    assert host_proc.read_in_folder(10, "REVISION", proc=tmp_path / "proc") is None
    assert host_proc.read_in_folder(11, "REVISION", proc=tmp_path / "proc") is None
    owners.give(tmp_path / "shadow", 12345)
    assert host_proc.read_in_folder(10, "REVISION", proc=tmp_path / "proc") == "root:secret"


def test_the_files_that_processes_have_open_are_named(tmp_path):
    gone = tmp_path / "gone"
    with (tmp_path / "open").open("w"), gone.open("w"):
        gone.unlink()
        found = host_proc.open_paths([os.getpid(), 0])
    assert str(tmp_path / "open") in found
    assert not [path for path in found if "gone" in path or path.startswith("pipe:")]


def test_the_files_that_processes_only_write_to_are_named(tmp_path):
    gone, paths = tmp_path / "gone", {mode: tmp_path / mode for mode in ("a", "w", "r", "r+", "w+")}
    paths["r"].touch()
    paths["r+"].touch()
    with contextlib.ExitStack() as stack:
        for mode, path in [*paths.items(), ("w", gone)]:
            stack.enter_context(path.open(mode))
        gone.unlink()
        found = host_proc.written_paths([os.getpid(), 0])
    assert [path for path in found if path.startswith(str(tmp_path))] == [str(paths["a"]), str(paths["w"])]


def test_a_file_of_which_the_kernel_says_no_more_is_passed_over(proc):
    process(proc, 10, files=["/srv/app.log"])
    (proc / "10" / "fdinfo").mkdir()
    (proc / "10" / "fdinfo" / "0").write_text("pos: 0\n")
    assert host_proc.written_paths([10], proc) == []


def test_the_environment_of_a_process_is_that_of_its_start(proc):
    process(proc, 10, environment=b"PORT=1\0ODD\0URL=a=b\0")
    assert host_proc.environment_of(10, proc) == {"PORT": "1", "URL": "a=b"}
    assert host_proc.environment_of(11, proc) == {}


def test_a_process_whose_files_may_not_be_seen_is_hidden(proc, monkeypatch):
    process(proc, 10)
    assert [host_proc.is_hidden(pid, proc) for pid in (10, 11)] == [False, False]

    def refuse(_path):
        raise PermissionError

    monkeypatch.setattr(os, "scandir", refuse)
    assert host_proc.is_hidden(10, proc) is True
