# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a crash leaves whole: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from pathlib import Path

# _IOW(0x94, 9, int), include/uapi/linux/fs.h.
_FICLONE = 0x40049409
_CHUNK = 1 << 20


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_private(path: Path) -> int:
    """Create a file of mode 0600 that must not exist, and return its descriptor."""
    return os.open(str(path), os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)


def write_whole(path: Path, text: str) -> None:
    """Replace a file by a text, mode 0600, so that it is the old or the new one whatever happens."""
    partial = path.with_name(f".{path.name}.partial")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    with os.fdopen(create_private(partial), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(str(partial), str(path))
    sync(path.parent)


def copy_in_kernel(source: int, target: int, size: int) -> str:
    """Copy the first C(size) bytes between two descriptors and return how: C(clone) or C(copy)."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
        os.ftruncate(target, size)
        return "clone"
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS):
            raise
    done = 0
    while done < size:
        copied = os.sendfile(target, source, done, min(size - done, 1 << 26))
        if copied == 0:
            break
        done += copied
    return "copy"


def sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        count = file.readinto(buffer)
        while count:
            digest.update(view[:count])
            count = file.readinto(buffer)
    return digest.hexdigest()
