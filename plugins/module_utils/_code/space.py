# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a filesystem has room for files, asked before any of them is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterable

from ansible_collections.greenlight.release.plugins.module_utils._code.git import (
    GitError,
    Run,
    changed_between,
    files_of,
)

_BLOCK = 4096
# Left free in addition to what the files need: the app and its logs go on.
_SPARE_BYTES, _SPARE_FILES = 16 << 20, 100


def on_disk(sizes: Iterable[int]) -> int:
    """Return the bytes that files of these sizes take."""
    return sum(-(-size // _BLOCK) * _BLOCK for size in sizes)


def refuse_full(place: Path, needed: int, files: int) -> None:
    """Raise GitError when a filesystem has no room for `files` files of `needed` bytes. Raises OSError."""
    free = os.statvfs(str(place))
    available = free.f_bavail * free.f_frsize
    if available < needed + _SPARE_BYTES:
        raise GitError(
            f"There is no space for the new files in {place}: {available >> 20} MiB are free, it needs "
            f"{(needed + _SPARE_BYTES) >> 20} MiB; free some, or keep fewer releases"
        )
    # A filesystem that makes inodes as it goes says 0 of 0.
    if free.f_files and free.f_favail < files + _SPARE_FILES:
        raise GitError(f"There are {free.f_favail} inodes free in {place}, and {files} are needed; remove files")


def refuse_no_room(run: Run, path: Path, from_sha: str, to_sha: str) -> None:
    """Raise GitError when a checkout has no room for what differs between two commits. Raises OSError."""
    between = set(changed_between(run, from_sha, to_sha, submodules=False))
    sizes = [each.size for each in files_of(run, to_sha) if each.path in between]
    refuse_full(path, on_disk(sizes), len(sizes))
