# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a crash leaves whole: written under a temporary name, synced, then renamed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
from pathlib import Path
from typing import IO, Iterator

from ansible_collections.greenlight.release.plugins.module_utils._host import trust

# _IOW(0x94, 9, int), include/uapi/linux/fs.h.
_FICLONE = 0x40049409
_CHUNK = 1 << 20
_DATABASE = b"SQLite format 3\0"
# What filesystems answer that know no hard links, such as FAT and some network filesystems.
_NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


_REMEDIES = {
    errno.ENOSPC: "free some space first",
    errno.EDQUOT: "free some space first, or raise the quota",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files of the host (fs.file-max)",
    errno.EIO: "check the disk",
    errno.EROFS: "mount its filesystem so that it can be written",
    errno.ENOMEM: "give the host more memory",
}


def remedy(error: OSError, otherwise: str) -> str:
    """Return what to do about a fault of the host, and what else where it is none."""
    return _REMEDIES.get(error.errno or 0, otherwise)


def told(error: Exception) -> str:
    """Return the sentence of an error, also of what the system refuses and nobody nearer to it has explained."""
    if not isinstance(error, OSError):
        return str(error)
    return f"The system refused the work: {explain(error)}; {remedy(error, 'correct the path, or its owner and mode')}"


def read_end(file: IO[bytes], most: int) -> str:
    """Return the last bytes of what was written to a file, which may be a lot. Half a line could be half a secret."""
    cut = file.seek(0, os.SEEK_END) - most
    file.seek(max(0, cut))
    text = file.read().decode("utf-8", "replace")
    return text.partition("\n")[2] if cut > 0 else text


def explain(error: OSError) -> str:
    """Return what the system said, and of which file."""
    return f"{error.strerror or error}" + (f" ({error.filename})" if error.filename else "")


def owner_of(path: Path) -> str:
    """Return the name of the user that a file belongs to, in words where it cannot be seen."""
    try:
        uid = path.stat().st_uid
    except OSError:
        return "another user"
    return trust.name_of_user(uid)


def sync(path: Path) -> None:
    """Wait until a file or a folder is on the disk."""
    descriptor = os.open(str(path), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_filesystem(path: Path) -> None:
    """Wait until all of one filesystem is on the disk. Others do not matter: one of a dead server would never end."""
    descriptor = os.open(str(path), os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
    finally:
        os.close(descriptor)


def sync_in_steps(path: Path, step: int = 1 << 26) -> None:
    """Wait until a large file is on the disk, step by step, so that a slow disk does not count as a dead one."""
    descriptor = os.open(str(path), os.O_RDWR)
    try:
        size = os.fstat(descriptor).st_size
        if size:
            with contextlib.closing(mmap.mmap(descriptor, size)) as pages:
                for offset in range(0, size, step):
                    pages.flush(offset, min(step, size - offset))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create_private(path: Path) -> int:
    """Create a file of mode 0600 that must not exist, and return its descriptor.

    Raises OSError, also where root was led to a folder of another user.
    """
    try:
        with trust.held(path.parent) as found:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            return os.open(path.name, flags, 0o600, dir_fd=trust.there(found))
    except trust.TrustError as error:
        raise PermissionError(errno.EPERM, str(error)) from error


def write_synced(path: Path, text: str) -> Path:
    """Write a text to a new file of mode 0600, wait until it is on the disk, and return the path."""
    with os.fdopen(create_private(path), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return path


def write_whole(path: Path, text: str) -> None:
    """Replace a file by a text, mode 0600, so that it is the old or the new one whatever happens."""
    partial = path.with_name(f".{path.name}.partial")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    try:
        os.replace(str(write_synced(partial, text)), str(path))
    except OSError:
        # On a full disk the half of it would take what others need.
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()
        raise
    sync(path.parent)


def copy_in_kernel(source: int, target: int, size: int) -> str:
    """Copy the first `size` bytes between two descriptors and return how: `clone` or `copy`."""
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


def chunks_of(descriptor: int) -> Iterator[memoryview]:
    """Yield the content of an open file from its begin; each view is good until the next is asked for."""
    buffer = bytearray(_CHUNK)
    view = memoryview(buffer)
    done = 0
    count = os.preadv(descriptor, [buffer], done)
    while count:
        yield view[:count]
        done += count
        count = os.preadv(descriptor, [buffer], done)


def sha256_of_open(descriptor: int) -> str:
    digest = hashlib.sha256()
    for chunk in chunks_of(descriptor):
        digest.update(chunk)
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    with path.open("rb", buffering=0) as file:
        return sha256_of_open(file.fileno())


def name_exclusively(partial: Path, final: Path) -> None:
    """Give a finished file its name, which nothing may have yet, and wait until the name is on the disk.

    Raises FileExistsError.
    """
    try:
        os.link(str(partial), str(final))
        partial.unlink()
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        if os.path.lexists(str(final)):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final)) from error
        os.rename(str(partial), str(final))
    sync(final.parent)


def is_database(path: Path) -> bool:
    """Say whether a file holds a SQLite database; False for what cannot be read."""
    try:
        # A pipe would be waited for.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_DATABASE)) == _DATABASE
    except OSError:
        return False
