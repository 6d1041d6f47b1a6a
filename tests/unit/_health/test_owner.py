# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import socket

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import owner
from ansible_collections.greenlight.release.plugins.module_utils._host.sockets import Connection

# As Linux 5.10 prints it on x86-64, for a server on 127.0.0.1:3000 and one on [::]:8080.
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = (
    HEADER
    + "   0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 501 1 0 100 0 0 10 0\n"
    + "   1: 0100007F:0BB8 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000  0 502 1 0 20 4 30 10 -1\n"
    + "   2: 0100007F:0BB8 0100007F:D432 06 00000000:00000000 00:00000000 00000000     0  0 0 3 0\n"
)
TCP6 = (
    HEADER
    + "   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 601 1 0 0 0\n"
    + "   1: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:D433 01 0:0 0:0 0 0 0 602 1 0 0 0\n"
    + "   2: 00000000000000000000000001000000:1F90 00000000000000000000000001000000:D434 01 0:0 0:0 0 0 0 603 1 0 0 0\n"
)


def connection(own, peer, address="127.0.0.1"):
    return Connection((address, own), (address, peer))


@pytest.fixture
def proc(tmp_path):
    """A machine on which 10 (a daemon) holds the listening sockets, its child 11 a connection, and 12 another."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)
    (tmp_path / "net" / "tcp6").write_text(TCP6)
    for pid, parent, inodes in ((10, 1, (501, 601)), (11, 10, (502, 603)), (12, 1, (602,))):
        folder = tmp_path / str(pid)
        (folder / "fd").mkdir(parents=True)
        (folder / "stat").write_text(f"{pid} (node) S {parent} 0 0")
        (folder / "comm").write_text("node\n")
        (folder / "fd" / "0").symlink_to("/dev/null")
        for number, inode in enumerate(inodes, 3):
            (folder / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
    return tmp_path


@pytest.mark.parametrize(
    "asked, pids, reason",
    [
        (connection(54321, 3000), [11], ""),
        (connection(54321, 3000), [10], ""),
        (connection(54321, 3000), [99, 11], ""),
        (connection(54321, 3000), [12], "port 3000 is answered by process 11 (node), not by 12"),
        (connection(54323, 8080), [12], ""),
        (connection(54324, 8080, "::1"), [11], ""),
        # A connection that the server has closed, or that was never seen: who listens there counts.
        (connection(54322, 3000), [10], ""),
        (connection(54322, 3000), [11], "port 3000 is answered by process 10 (node), not by 11"),
        (Connection(("", 0), ("localhost", 3000)), [10], ""),
        (connection(54321, 4000), [10], "nothing on this machine answers at port 4000"),
    ],
)
def test_the_process_that_answers_is_the_one_that_holds_the_connection(proc, asked, pids, reason):
    reported = owner.explain_owner(asked, pids, proc)
    assert reported == reason or (reason and reported.startswith(reason))


@pytest.mark.parametrize(
    "address, pids, reason",
    [
        ("127.0.0.1", [10], ""),
        ("::1", [10], "port 3000 is answered by process 12 (node), not by 10"),
        ("::1", [12], ""),
        # Which of the addresses of a name was asked is not known.
        ("localhost", [10], "port 3000 is answered by process 12 (node), not by 10"),
        ("localhost", [10, 12], ""),
        ("10.0.0.9", [10], "nothing on this machine answers at port 3000"),
    ],
)
def test_who_listens_at_another_address_did_not_answer(proc, address, pids, reason):
    local, remote = "00000000000000000000000001000000:0BB8", f"{0:032d}:0000"
    (proc / "net" / "tcp6").write_text(f"{TCP6}   3: {local} {remote} 0A 0:0 0:0 0 0 0 701 1 0 0 0\n")
    (proc / "12" / "fd" / "9").symlink_to("socket:[701]")
    reported = owner.explain_owner(connection(54399, 3000, address), pids, proc)
    assert reported == reason or (reason and reported.startswith(reason))


def test_an_owner_that_cannot_be_seen_is_reported(proc):
    (proc / "11" / "fd" / "3").unlink()
    reported = owner.explain_owner(connection(54321, 3000), [12], proc)
    assert reported == "port 3000 is answered by process one of another user, not by 12"


def test_a_process_of_another_user_cannot_be_judged(proc, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("11/fd"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    reported = owner.explain_owner(connection(54321, 3000), [11], proc)
    assert reported == "it is unknown which process answers; become the user of the app, or root"
    assert "one of another user" in owner.explain_owner(connection(54321, 3000), [12], proc)


@pytest.mark.parametrize("family, address", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_this_very_process_is_found_by_a_connection_to_itself(family, address):
    with socket.socket(family) as server:
        try:
            server.bind((address, 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        server.listen()
        with socket.create_connection(server.getsockname()[:2]) as client:
            accepted, _peer = server.accept()
            with accepted:
                asked = Connection(client.getsockname()[:2], client.getpeername()[:2])
                assert owner.explain_owner(asked, [os.getpid()]) == ""
                assert str(os.getpid()) in owner.explain_owner(asked, [1 << 22])
