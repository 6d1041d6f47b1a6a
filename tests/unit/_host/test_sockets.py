# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
import sys

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import sockets
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Socket

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
# As Linux 5.10 prints it on x86-64, for a server on 127.0.0.1:3000 with a client, and one on [::]:8080.
TCP = (
    HEADER
    + "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 501 1 0 100 0 0 10 0\n"
    + "   1: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000  0 502 1 0 20 4 30 10 -1\n"
)
TCP6 = (
    HEADER
    + "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 601 1 0 0 0\n"
)
pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the rows are those of a little-endian machine")


@pytest.fixture
def proc(tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)
    (tmp_path / "net" / "tcp6").write_text(TCP6)
    return tmp_path


IPV4 = [
    Socket(("127.0.0.1", 3000), ("0.0.0.0", 0), True, "501"),
    Socket(("127.0.0.1", 3000), ("127.0.0.1", 54321), False, "502"),
]


def test_the_sockets_of_both_tables_are_read(proc):
    assert sockets.read_sockets(proc) == [*IPV4, Socket(("::", 8080), ("::", 0), True, "601")]


def test_a_kernel_without_ipv6_has_the_sockets_of_ipv4(proc):
    (proc / "net" / "tcp6").unlink()
    assert sockets.read_sockets(proc) == IPV4


def test_listening_sockets_are_read_alone(proc):
    assert [sockets.port_of(fields[1]) for fields in sockets.listening_rows(proc)] == [3000, 8080]


@pytest.mark.parametrize(
    "text, address",
    [
        ("0100007F:0BB8", ("127.0.0.1", 3000)),
        ("0200000A:0000", ("10.0.0.2", 0)),
        ("00000000000000000000000001000000:FFFF", ("::1", 65535)),
        ("B80D0120000000000000000001000000:0BB8", ("2001:db8::1", 3000)),
        ("0000000000000000FFFF00000100007F:1F90", ("127.0.0.1", 8080)),
    ],
)
def test_an_address_is_read_in_the_order_of_the_machine(text, address):
    assert sockets.read_address(text) == address


@pytest.mark.parametrize(
    "given, plain",
    [("::ffff:1.2.3.4", "1.2.3.4"), ("0:0::1", "::1"), ("1.2.3.4", "1.2.3.4"), (b"\x7f\0\0\1", "127.0.0.1")],
)
def test_an_address_has_one_form(given, plain):
    assert sockets.plain_address(given) == plain


def test_the_name_of_a_host_is_no_address():
    with pytest.raises(ValueError, match="localhost"):
        sockets.plain_address("localhost")


def test_the_sockets_of_a_process_are_distinguished_from_its_other_files(proc):
    folder = proc / "10" / "fd"
    folder.mkdir(parents=True)
    for number, target in enumerate(("/dev/null", "socket:[501]", "pipe:[502]", "socket:[601]")):
        (folder / str(number)).symlink_to(target)
    assert sorted(sockets.inodes_of(10, proc)) == ["501", "601"]


def test_processes_and_files_that_vanish_meanwhile_are_skipped(proc, monkeypatch):
    def vanish(_path):
        raise FileNotFoundError

    assert list(sockets.inodes_of(99, proc)) == []
    (proc / "11" / "fd").mkdir(parents=True)
    (proc / "11" / "fd" / "3").symlink_to("socket:[502]")
    monkeypatch.setattr(os, "readlink", vanish)
    assert list(sockets.inodes_of(11, proc)) == []


def test_who_listens_on_a_unix_socket_is_known_by_a_connection(tmp_path):
    path = str(tmp_path / "app.sock")
    assert sockets.listener_of(path) is None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert sockets.listener_of(path) is None
        server.listen(1)
        assert sockets.listener_of(path) == os.getpid()
    # A process that ended has left the file.
    assert sockets.listener_of(path) is None


def test_a_unix_socket_whose_path_is_too_long_is_not_served():
    assert sockets.listener_of("/" + "a" * 200) is None


def test_the_unix_sockets_that_take_connections_are_named(tmp_path):
    taken, other = tmp_path / "taken.sock", tmp_path / "other.sock"
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as bound:
        listening.bind(str(taken))
        listening.listen()
        bound.bind(str(other))
        inodes = {str(os.fstat(each.fileno()).st_ino) for each in (listening, bound)}
        assert sockets.unix_listeners(inodes) == [str(taken)]
        assert sockets.unix_listeners(set()) == []
    assert sockets.unix_listeners(inodes, tmp_path) == []
