# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket
import struct

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import sock_diag
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection


def answer(kind=20, ports=(3000, 40000), inode=777):
    head = struct.pack("=IHHII", 0, kind, 0, 0, 0) + b"\0" * 4 + struct.pack(">HH", *ports)
    return head.ljust(84, b"\0") + struct.pack("=I", inode)


@pytest.mark.parametrize(
    "given, inode", [(answer(), "777"), (answer(inode=0), "0"), (answer(kind=2), "0"), (answer(ports=(3000, 0)), "0")]
)
def test_an_answer_has_the_inode_of_exactly_that_connection(given, inode):
    assert sock_diag.read_answer(given, (3000, 40000)) == inode


@pytest.fixture(params=[socket.AF_INET, socket.AF_INET6])
def connected(request):
    """A listener, a connection to it, and its description."""
    address = "::1" if request.param == socket.AF_INET6 else "127.0.0.1"
    try:
        server = socket.socket(request.param)
        server.bind((address, 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server, socket.socket(request.param) as client:
        server.listen()
        client.connect(server.getsockname())
        yield server, Connection(client.getsockname()[:2], server.getsockname()[:2])


def test_the_kernel_knows_who_accepted_a_connection(connected):
    server, connection = connected
    if sock_diag.other_ends([connection]) is None:
        pytest.skip("this kernel has no sock_diag")
    assert sock_diag.other_ends([connection]) == ["0"]
    accepted = server.accept()[0]
    assert sock_diag.other_ends([connection]) == [str(os.fstat(accepted.fileno()).st_ino)]
    accepted.close()
    assert sock_diag.other_ends([connection]) == ["0"]


def test_a_kernel_that_does_not_know_our_own_end_cannot_be_asked(connected, monkeypatch):
    monkeypatch.setattr(sock_diag, "_ask", lambda *_arguments: "0")
    assert sock_diag.other_ends([connected[1]]) is None


def test_a_kernel_without_the_protocol_cannot_be_asked(monkeypatch):
    def refuse(*_arguments):
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(sock_diag.socket, "socket", refuse)
    assert sock_diag.other_ends([]) is None
