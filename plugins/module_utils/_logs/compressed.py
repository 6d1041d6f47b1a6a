# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs that a rotation compressed, read by what the host's Python has for their format."""

from __future__ import annotations

import gzip
import importlib
import zlib
from typing import IO, Any, Dict, Tuple, Type

# The module and the class that reads each format, which a Python may have been built without; zstd came with 3.14.
_READERS = {
    ".gz": ("gzip", "GzipFile"),
    ".xz": ("lzma", "LZMAFile"),
    ".lzma": ("lzma", "LZMAFile"),
    ".zst": ("compression.zstd", "ZstdFile"),
}
# No Python reads these, or it cannot tell a damaged one from a disk that fails.
_OTHERS = (".bz2", ".lz4", ".lzo", ".Z", ".zip")


def _load() -> Dict[str, Any]:
    found = {}
    for suffix, (module, name) in _READERS.items():
        try:
            found[suffix] = getattr(importlib.import_module(module), name)
        except ImportError:
            continue
    return found


def _errors() -> Tuple[Type[Exception], ...]:
    """Return what the readers raise for what is damaged, but OSError, which says that a file cannot be read at all."""
    found: Tuple[Type[Exception], ...] = (EOFError, zlib.error, gzip.BadGzipFile)
    for module, name in (("lzma", "LZMAError"), ("compression.zstd", "ZstdError")):
        try:
            found = (*found, getattr(importlib.import_module(module), name))
        except ImportError:
            continue
    return found


READERS = _load()
DAMAGED = _errors()


def is_compressed(name: str) -> bool:
    """Say whether a file is called like a compressed one."""
    return name.endswith((*_READERS, *_OTHERS))


def is_unreadable(name: str) -> bool:
    """Say whether a file is compressed in a format that this Python cannot read."""
    return is_compressed(name) and not name.endswith(tuple(READERS))


def open_within(file: IO[bytes], name: str) -> IO[bytes]:
    """Return what reads the text in a compressed file that is open."""
    suffix = next(suffix for suffix in READERS if name.endswith(suffix))
    opened: IO[bytes] = READERS[suffix](filename=file) if suffix != ".gz" else READERS[suffix](fileobj=file)
    return opened
