# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import gzip
import io
import lzma

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import compressed


@pytest.mark.parametrize(
    "name, compress", [("x.log.1.gz", gzip.compress), ("x.log.1.xz", lzma.compress), ("x.log.lzma", lzma.compress)]
)
def test_a_compressed_log_is_read_as_the_text_in_it(name, compress):
    opened = compressed.open_within(io.BytesIO(compress(b"one\ntwo\n")), name)
    assert compressed.is_compressed(name)
    assert not compressed.is_unreadable(name)
    opened.seek(4)
    assert opened.read() == b"two\n"


@pytest.mark.parametrize("name", ["x.log.1.bz2", "x.log.zip"])
def test_a_format_that_python_does_not_read_is_known_as_one(name):
    assert compressed.is_compressed(name)
    assert compressed.is_unreadable(name)
    assert not compressed.is_compressed("x.log.1")


def test_zstd_is_read_where_python_has_it():
    assert compressed.is_compressed("x.zst")
    assert compressed.is_unreadable("x.zst") == (".zst" not in compressed.READERS)


@pytest.mark.parametrize(
    "name, content", [("x.xz", lzma.compress(b"one\n" * 99)[:-9]), ("x.xz", b"no xz"), ("x.gz", b"no gzip")]
)
def test_a_damaged_log_is_told_from_a_disk_that_fails(name, content):
    with pytest.raises(compressed.DAMAGED):
        compressed.open_within(io.BytesIO(content), name).read()
