# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import compress
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError

CONTENT = b"all the rows" * 200000


def unpack(path, compression):
    target = os.open(path.with_name("plain"), os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        return compress.decompress(path, target, compression), os.pread(target, len(CONTENT) + 1, 0)
    finally:
        os.close(target)


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_what_was_compressed_comes_back(tmp_path, compression):
    (tmp_path / "a.db").write_bytes(CONTENT)
    compress.compress(tmp_path / "a.db", tmp_path / "packed", compression)
    sha256, content = unpack(tmp_path / "packed", compression)
    assert (content == CONTENT, (tmp_path / "packed").stat().st_size < len(CONTENT) / 50) == (True, True)
    assert compress.sha256_of_content(tmp_path / "packed", compression) == sha256
    assert (tmp_path / "packed").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize(
    "spoil", [lambda packed: packed[:-9], lambda packed: b"x" + packed[1:], lambda _packed: b"<html>"]
)
def test_a_file_that_is_not_what_was_compressed_is_refused(tmp_path, compression, spoil):
    (tmp_path / "a.db").write_bytes(CONTENT)
    compress.compress(tmp_path / "a.db", tmp_path / "packed", compression)
    (tmp_path / "packed").write_bytes(spoil((tmp_path / "packed").read_bytes()))
    with pytest.raises(SqliteError, match="packed cannot be decompressed"):
        unpack(tmp_path / "packed", compression)


def test_a_damaged_stream_is_refused(tmp_path):
    (tmp_path / "a.db").write_bytes(CONTENT)
    compress.compress(tmp_path / "a.db", tmp_path / "packed", "gzip")
    packed = bytearray((tmp_path / "packed").read_bytes())
    packed[20:60] = b"\xff" * 40
    (tmp_path / "packed").write_bytes(packed)
    with pytest.raises(SqliteError, match="cannot be decompressed"):
        unpack(tmp_path / "packed", "gzip")


def test_a_program_that_fails_is_quoted(tmp_path, monkeypatch):
    command = ["sh", "-c", "echo no space left >&2; exit 3"]
    monkeypatch.setattr(compress, "zstd_command", lambda *_options: command)
    (tmp_path / "a.db").write_bytes(CONTENT)
    with pytest.raises(SqliteError, match=r"a.db cannot be compressed: no space left"):
        compress.compress(tmp_path / "a.db", tmp_path / "packed", "zstd")


def test_a_program_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(compress.shutil, "which", lambda _program: None)
    with pytest.raises(SqliteError, match=r"zstd is not installed on the host; install it \(apt-get install zstd\)"):
        compress.refuse_unavailable("zstd")
    compress.refuse_unavailable("gzip")


def test_the_command_is_a_list_of_words():
    assert compress.zstd_command("--stdout") == ["zstd", "--quiet", "--no-progress", "--stdout"]
