# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3
import struct
from contextlib import ExitStack

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import wal as sqlite_wal
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.wal import WalMark


@pytest.fixture
def live(tmp_path):
    connection = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1);")
    yield connection
    connection.close()


def index_header(valid=1, frames=7):
    return struct.pack(
        "=IIIBBHII8s8s8s", 3007000, 0, 41, valid, 0, 4096, frames, 3, b"checksum", b"saltsalt", b"ownsumma"
    )


@pytest.mark.parametrize(
    "content, mark",
    [
        (index_header() * 2, WalMark(41, 7, b"saltsalt".hex())),
        (index_header() + index_header(frames=8), None),
        (index_header(valid=0) * 2, None),
        (index_header(), None),
    ],
)
def test_a_mark_is_read_when_nobody_is_changing_it(tmp_path, content, mark):
    (tmp_path / "a-shm").write_bytes(content)
    with (tmp_path / "a-shm").open("rb") as file:
        assert sqlite_wal.read_mark(file.fileno()) == mark


def test_the_mark_of_a_transaction_is_the_end_of_the_wal(tmp_path, live):
    reader = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    with ExitStack() as descriptors:
        mark = sqlite_wal.begin_at_mark(reader, tmp_path / "a.db", descriptors)
        assert sqlite_wal.size_up_to(mark, 4096) == (tmp_path / "a.db-wal").stat().st_size
        live.execute("INSERT INTO t VALUES (2)")
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)
        reader.close()


def test_a_commit_between_two_checks_makes_it_begin_again(tmp_path, live, monkeypatch):
    reader, marks = sqlite3.connect(tmp_path / "a.db", isolation_level=None), []
    read_mark = sqlite_wal.read_mark

    def look(index):
        marks.append(read_mark(index))
        if len(marks) == 1:
            live.execute("INSERT INTO t VALUES (2)")
        return marks[-1]

    monkeypatch.setattr(sqlite_wal, "read_mark", look)
    with ExitStack() as descriptors:
        mark = sqlite_wal.begin_at_mark(reader, tmp_path / "a.db", descriptors)
        assert (len(marks), mark, reader.execute("SELECT count(*) FROM t").fetchone()) == (4, marks[-1], (2,))
        reader.close()


@pytest.mark.usefixtures("live")
def test_where_nothing_can_be_known_the_transaction_begins_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_wal, "read_mark", lambda _index: None)
    reader = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    with ExitStack() as descriptors:
        assert sqlite_wal.begin_at_mark(reader, tmp_path / "a.db", descriptors) is None
        assert reader.in_transaction is True
        reader.close()


def test_a_database_without_an_index_has_no_mark(tmp_path):
    reader = sqlite3.connect(tmp_path / "b.db", isolation_level=None)
    with ExitStack() as descriptors:
        assert sqlite_wal.begin_at_mark(reader, tmp_path / "b.db", descriptors) is None
        assert reader.in_transaction is True
    reader.close()


def salt(path):
    return sqlite_wal.salt_of(path.read_bytes()[:32])


def test_the_pages_of_a_wal_are_known_as_long_as_it_is_the_same(tmp_path, live):
    wal = tmp_path / "a.db-wal"
    first = salt(wal)
    assert sqlite_wal.pages_in(wal, 4096, first) == {1, 2}
    live.execute("PRAGMA wal_checkpoint(RESTART)")
    live.execute("INSERT INTO t VALUES (2)")
    assert salt(wal) != first
    # The frames of the generation before are still in the file, behind the new one's.
    assert (sqlite_wal.pages_in(wal, 4096, first), sqlite_wal.pages_in(wal, 4096, salt(wal))) == (None, {2})


def test_without_a_wal_nothing_is_known(tmp_path):
    assert sqlite_wal.pages_in(tmp_path / "none-wal", 4096, "00") is None
    (tmp_path / "a-wal").write_bytes(b"")
    assert sqlite_wal.pages_in(tmp_path / "a-wal", 4096, "00") is None
    assert sqlite_wal.pages_in(tmp_path / "a-wal", 4096, None) is None
    assert os.listdir(tmp_path) == ["a-wal"]


def test_the_newest_frame_of_a_page_is_found(tmp_path, live):
    with ExitStack() as descriptors, (tmp_path / "a.db-wal").open("rb") as wal:
        live.execute("UPDATE t SET x = 'newest'")
        reader = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
        mark = sqlite_wal.begin_at_mark(reader, tmp_path / "a.db", descriptors)
        found = sqlite_wal.newest_frames(wal.fileno(), mark, 4096)
        assert sorted(found) == [1, 2]
        assert b"newest" in os.pread(wal.fileno(), 4096, found[2])
        assert sqlite_wal.is_still(wal.fileno(), mark) is True
        reader.close()
        live.execute("PRAGMA wal_checkpoint(RESTART)")
        live.execute("INSERT INTO t VALUES (2)")
        assert sqlite_wal.is_still(wal.fileno(), mark) is False
        assert sqlite_wal.is_still(wal.fileno(), WalMark(1, 0, "00")) is True


@pytest.mark.parametrize(
    "index, wal, room",
    [
        (index_header(), True, None),
        (index_header(frames=0) * 2, True, None),
        (index_header() * 2, False, None),
        (index_header() * 2, True, None),
        (index_header(frames=10) * 2, "saltsalt", None),
        (index_header(frames=1) * 2, "saltsalt", 3 * 4096 + 32 + 24 + 4096),
    ],
)
def test_the_room_for_a_copy_is_known_where_index_and_wal_agree(tmp_path, index, wal, room):
    (tmp_path / "a.db-shm").write_bytes(index)
    if wal:
        salt = b"othersalt"[:8] if wal is True else wal.encode()
        header = struct.pack(">IIII8s8x", 0x377F0682, 3007000, 4096, 0, salt)
        (tmp_path / "a.db-wal").write_bytes(header + struct.pack(">II16x", 1, 3) + bytes(4096))
    assert sqlite_wal.room_to_copy(tmp_path / "a.db", 8192) == room
