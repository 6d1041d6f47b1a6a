# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compress a backup, and decompress it. gzip is Python's own; zstd is the program of that name, if it is installed."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import IO, Iterator, List, cast

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError

SUFFIXES = {"none": "", "gzip": ".gz", "zstd": ".zst"}
_CHUNK = 1 << 20


def refuse_unavailable(compression: str) -> None:
    """Raise SqliteError for a compression that this host has no program for."""
    if compression == "zstd" and not shutil.which("zstd"):
        raise SqliteError("zstd is not installed on the host; install it (apt-get install zstd), or use gzip")


def zstd_command(*options: str) -> List[str]:
    return ["zstd", "--quiet", "--no-progress", *options]


def compress(source: Path, target: Path, compression: str) -> None:
    """Write the content of `source`, compressed, to the new file `target`. Raises SqliteError, OSError."""
    with os.fdopen(files.create_private(target), "wb") as packed:
        if compression == "gzip":
            with gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as stream, source.open("rb") as plain:
                for chunk in files.chunks_of(plain.fileno()):
                    stream.write(chunk)
            return
        _feed(zstd_command("--stdout"), source, packed)


def decompress(source: Path, target: int, compression: str) -> str:
    """Write the content of a compressed file to a descriptor, and return its SHA-256. Raises SqliteError, OSError."""
    digest = hashlib.sha256()
    with os.fdopen(os.dup(target), "wb") as plain:
        for chunk in _plain_chunks(source, compression):
            digest.update(chunk)
            plain.write(chunk)
    return digest.hexdigest()


def sha256_of_content(source: Path, compression: str) -> str:
    """Return the SHA-256 of what is in a compressed file. Raises SqliteError, OSError."""
    digest = hashlib.sha256()
    for chunk in _plain_chunks(source, compression):
        digest.update(chunk)
    return digest.hexdigest()


def _plain_chunks(source: Path, compression: str) -> Iterator[bytes]:
    if compression == "zstd":
        yield from _zstd_chunks(source)
        return
    try:
        with os.fdopen(trust.open_regular(source), "rb") as packed, gzip.open(packed) as stream:
            yield from iter(lambda: stream.read(_CHUNK), b"")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SqliteError(f"{source} cannot be decompressed: {error}") from error


def _zstd_chunks(source: Path) -> Iterator[bytes]:
    refuse_unavailable("zstd")
    with os.fdopen(trust.open_regular(source), "rb") as packed, subprocess.Popen(
        zstd_command("--decompress", "--stdout"), stdin=packed, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        output = cast(IO[bytes], process.stdout)
        yield from iter(lambda: output.read(_CHUNK), b"")
        said = _last_words(process)
    if process.returncode != 0:
        raise SqliteError(f"{source} cannot be decompressed: {said}")


def _feed(command: List[str], source: Path, stdout: IO[bytes]) -> None:
    """Feed a file to a program piece by piece, so that this process is seen to work as long as the program does."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE) as process:
        with contextlib.suppress(BrokenPipeError), cast(IO[bytes], process.stdin) as stdin, source.open("rb") as plain:
            for chunk in files.chunks_of(plain.fileno()):
                stdin.write(chunk)
        said = _last_words(process)
    if process.returncode != 0:
        raise SqliteError(f"{source} cannot be compressed: {said}")


def _last_words(process: subprocess.Popen[bytes]) -> str:
    return cast(IO[bytes], process.stderr).read().decode(errors="replace").strip()
