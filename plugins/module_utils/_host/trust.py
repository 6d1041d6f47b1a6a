# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a path leads to, where other users than root can change what lies there.

Root could be led to anybody's file: by a link, by a second name of the file, or by a pipe that nobody writes to. Every
step of a path is therefore opened from the descriptor of the folder before it, a link is followed only to what belongs
to its owner, and what was looked at is what is opened: nothing can be exchanged in between.
Source: path_resolution(7), openat(2), O_PATH in open(2).
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple, Union

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_LOOK = os.O_PATH | os.O_NOFOLLOW
# As many as the kernel follows, MAXSYMLINKS in linux/namei.h.
_MOST_LINKS = 40

# Device and inode, which name a file that neither links nor mounts hide.
FileId = Tuple[int, int]


class TrustError(GreenlightError):
    """A path leads where another user could have led it."""


@dataclass(frozen=True)
class _Link:
    """A link that is being followed: what it leads to is known when the steps behind it are taken."""

    path: str
    owner: int


@dataclass(frozen=True)
class Held:
    """What a path leads to, open for nothing but to be found again; `descriptor` is None where nothing is there yet."""

    folder: int
    name: str
    descriptor: Optional[int]

    @property
    def path(self) -> Path:
        """The path of the file without links, as it is at the moment."""
        return Path(place_of(self.folder), self.name) if self.descriptor is None else Path(place_of(self.descriptor))


def name_of_user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def owner_of_place(place: Path) -> int:
    """Return the uid of who owns a file, a folder or a link itself."""
    return place.lstat().st_uid


def describe_changer(place: Path) -> str:
    """Return who but root can change a file, any name in a folder, or where a link leads, "" for nobody.

    It is the begin of a sentence.
    """
    owner, status = owner_of_place(place), place.lstat()
    if owner:
        return f"{place} belongs to {name_of_user(owner)}, who"
    others = stat.S_IWOTH | (stat.S_IWGRP if status.st_gid else 0)
    is_kept = stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX
    return f"others can write to {place} and" if status.st_mode & others and not is_kept else ""


def place_of(descriptor: int) -> str:
    """Return the path of what is open."""
    return os.readlink(f"/proc/self/fd/{descriptor}")


def there(found: Held) -> int:
    """Return the descriptor of what must be there. Raises FileNotFoundError."""
    if found.descriptor is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(found.path))
    return found.descriptor


def owner_of(descriptor: int) -> int:
    return os.fstat(descriptor).st_uid


@contextlib.contextmanager
def held(path: Path) -> Iterator[Held]:
    """Follow a path, whose last part may be missing, and hold what it leads to. Raises TrustError, OSError."""
    with contextlib.ExitStack() as opened:
        yield _follow(str(path.absolute()), opened)


def _follow(path: str, opened: contextlib.ExitStack) -> Held:
    root = here = folder = _look("/", None, opened)
    found: Optional[int] = root
    name, followed = "", 0
    todo: List[Union[str, _Link]] = [*_steps_of(path)]
    while todo:
        step = todo.pop()
        if isinstance(step, _Link):
            _refuse_elsewhere(step, here if found is None else found)
            continue
        folder, name = here, step
        try:
            found = _look(step, folder, opened)
        except FileNotFoundError:
            if any(isinstance(left, str) for left in todo):
                raise
            found = None
            continue
        if not stat.S_ISLNK(os.fstat(found).st_mode):
            here = found
            continue
        followed += 1
        if followed > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        target = os.readlink("", dir_fd=found)
        todo += [_Link(f"{place_of(folder)}/{step}", owner_of(found)), *_steps_of(target)]
        here = found = root if target.startswith("/") else folder
    return Held(folder, name, found)


def _steps_of(path: str) -> List[str]:
    return [step for step in reversed(path.split("/")) if step not in ("", ".")]


def _look(name: str, folder: Optional[int], opened: contextlib.ExitStack) -> int:
    descriptor = os.open(name, _LOOK, dir_fd=folder)
    opened.callback(os.close, descriptor)
    return descriptor


def _refuse_elsewhere(link: _Link, target: int) -> None:
    """Raise TrustError where root would follow a link to what its owner could perhaps not reach."""
    owner = owner_of(target)
    if os.geteuid() == 0 and link.owner not in (0, owner):
        raise TrustError(
            f"{link.path} is a link of {name_of_user(link.owner)} to {place_of(target)}, which belongs to "
            f"{name_of_user(owner)}, so root does not follow it; give the path itself, or let root own the link"
        )


def _or_folder(found: Held) -> int:
    """Return the descriptor of what a path leads to, that of its folder where it is missing."""
    return found.folder if found.descriptor is None else found.descriptor


def refuse_lent(path: Path) -> None:
    """Raise TrustError for root where a file belongs to another user than those who can exchange it. Raises OSError.

    Those are the owners of the folder in which it is asked for, and of the one in which it lies. A missing file is
    judged by the folder in which it would be made.
    """
    if os.geteuid() != 0:
        return
    with held(path.absolute().parent) as asked, held(path) as found:
        folders = [each for each in (asked.descriptor, found.folder) if each is not None]
        owner = owner_of(_or_folder(found))
        for folder in folders:
            _refuse_exchangeable(folder, found.path, owner)


def _refuse_exchangeable(folder: int, real: Path, owner: int) -> None:
    there, mode = owner_of(folder), os.fstat(folder).st_mode
    if there not in (0, owner):
        raise TrustError(
            f"{real} belongs to {name_of_user(owner)}, but the folder {place_of(folder)} to {name_of_user(there)}, who "
            f"could have led root to it; let one user own both, or run as {name_of_user(there)} (become_user)"
        )
    if owner == 0 and mode & 0o022 and not mode & stat.S_ISVTX:
        raise TrustError(f"{real} belongs to root, but others can write to {place_of(folder)}; chmod it to 0755")


def open_folder_of(path: Path) -> int:
    """Open the folder in which a file lies. Raises TrustError where `refuse_lent` would, OSError."""
    with held(path) as found:
        if os.geteuid() == 0:
            _refuse_exchangeable(found.folder, found.path, owner_of(_or_folder(found)))
        return os.open(f"/proc/self/fd/{found.folder}", os.O_RDONLY | os.O_DIRECTORY)


def refuse_exchanged(path: Path, folder: int) -> None:
    """Raise TrustError where a path does not lead to a folder that is open any more. Raises OSError."""
    status = os.stat(str(path))
    if (status.st_dev, status.st_ino) != identity_of(folder):
        raise TrustError(f"{path} was exchanged for another folder meanwhile; find out who does that")


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file, and never wait for it. Raises TrustError for anything else, OSError.

    Where the owner of its folder does not own it, it must have no second name: that could be one of another's file.
    """
    with held(path) as found:
        refuse_irregular(path, there(found), found.folder)
        return os.open(f"/proc/self/fd/{found.descriptor}", flags | os.O_NONBLOCK)


def open_lock(path: Path) -> int:
    """Open a lock file, and make it where it is missing. Raises TrustError for what it may not be, OSError."""
    with held(path.parent) as found:
        folder = there(found)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        descriptor = os.open(path.name, flags, 0o600, dir_fd=folder)
        try:
            refuse_irregular(path, descriptor, folder)
        except TrustError:
            os.close(descriptor)
            raise
    return descriptor


def make_folder(path: Path, mode: int, uid: int, gid: int) -> None:
    """Make a folder, and give it away by its descriptor; -1 leaves its owner or group. Raises TrustError, OSError."""
    with held(path.parent) as found:
        parent = there(found)
        os.mkdir(path.name, 0o700, dir_fd=parent)
        descriptor = os.open(path.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
        try:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)


def open_files() -> Dict[int, FileId]:
    """Return descriptor -> identity of the regular files that this process has open."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        # The descriptor of that folder itself is closed by now.
        with contextlib.suppress(OSError):
            status = os.stat(int(name))
            if stat.S_ISREG(status.st_mode):
                found[int(name)] = (status.st_dev, status.st_ino)
    return found


def identity_of(descriptor: int) -> FileId:
    status = os.fstat(descriptor)
    return (status.st_dev, status.st_ino)


def refuse_irregular_name(folder: int, name: str) -> None:
    """Raise TrustError where a name in an open folder is there and is no regular file; a link is none. Raises OSError.

    See `refuse_irregular` for more.
    """
    with contextlib.suppress(FileNotFoundError):
        descriptor = os.open(name, _LOOK, dir_fd=folder)
        try:
            refuse_irregular(Path(place_of(folder), name), descriptor, folder)
        finally:
            os.close(descriptor)


def open_kept(path: Path, descriptors: contextlib.ExitStack) -> int:
    """Open a regular file to read as `open_regular` does, until `descriptors` is closed."""
    return descriptors.enter_context(reading(path))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[int]:
    """Open a regular file to read as `open_regular` does, and close it afterwards."""
    descriptor = open_regular(path)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_made(path: Path) -> int:
    """Open a file that this process has made, to give it away. Raises TrustError for another one, OSError."""
    descriptor = os.open(str(path), os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK)
    if os.fstat(descriptor).st_nlink != 1:
        os.close(descriptor)
        raise TrustError(f"{path} was exchanged for a file that has another name as well; find out who does that")
    return descriptor


def refuse_irregular(path: Path, descriptor: int, folder: int) -> None:
    """Raise TrustError for what is open and is no regular file, or has a name that its owner may not have given it."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise TrustError(f"{path} is not a regular file; remove it, or name the file itself")
    owner, there = owner_of(descriptor), owner_of(folder)
    if os.geteuid() == 0 and status.st_nlink > 1 and there not in (0, owner):
        raise TrustError(
            f"{path} belongs to {name_of_user(owner)}, has {status.st_nlink} hard links, and lies in a folder of "
            f"{name_of_user(there)}, who could have made one; remove it, or copy it"
        )
