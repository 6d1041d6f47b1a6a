# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of built files, copied as it is, or removed.

Links stay links, and blocks are shared where the filesystem can do that.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Iterator, Optional

from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._host import files


def sizes(path: Path) -> Iterator[int]:
    """Yield the size of each file and folder of a tree, the tree itself included; what vanishes is skipped."""
    try:
        status = path.lstat()
        entries = os.listdir(str(path)) if stat.S_ISDIR(status.st_mode) else []
    except FileNotFoundError:
        return
    yield status.st_size
    for name in entries:
        yield from sizes(path / name)


def copy(source: Path, target: Path, refuse_links_into: Optional[Path] = None) -> None:
    """Copy a tree with its modes and times. What the running app removes meanwhile, such as a cache, is skipped.

    `refuse_links_into` is a folder that no absolute link may lead into, since it is not the one of the copy.
    Raises GitError for such a link, and for what is neither file, folder nor link.
    """
    status = source.lstat()
    if stat.S_ISLNK(status.st_mode):
        leads_to = os.readlink(str(source))
        if refuse_links_into in (Path(leads_to), *Path(leads_to).parents):
            raise GitError(f"{source} links to {leads_to}, which the next release must not use; rebuild it")
        target.symlink_to(leads_to)
        return
    if stat.S_ISDIR(status.st_mode):
        target.mkdir()
        for name in os.listdir(str(source)):
            try:
                copy(source / name, target / name, refuse_links_into)
            except FileNotFoundError:
                if os.path.lexists(str(source / name)):
                    raise
    elif stat.S_ISREG(status.st_mode):
        _copy_file(source, target)
    else:
        raise GitError(f"{source} is neither a file nor a folder, so it cannot be carried over; rebuild it")
    target.chmod(stat.S_IMODE(status.st_mode) & ~(stat.S_ISUID | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH))
    os.utime(str(target), ns=(status.st_atime_ns, status.st_mtime_ns))


def _copy_file(source: Path, target: Path) -> None:
    reading = os.open(str(source), os.O_RDONLY | os.O_NOFOLLOW)
    try:
        writing = files.create_private(target)
        try:
            files.copy_in_kernel(reading, writing, os.fstat(reading).st_size)
        finally:
            os.close(writing)
    finally:
        os.close(reading)


def remove(path: Path) -> None:
    """Remove a file or a tree if it is there, also folders in it that may not be written to; links are not followed."""
    if path.is_dir() and not path.is_symlink():
        _make_writable(path)
        shutil.rmtree(str(path))
    elif os.path.lexists(str(path)):
        path.unlink()


def _make_writable(path: Path) -> None:
    if path.lstat().st_mode & stat.S_IRWXU != stat.S_IRWXU:
        path.chmod(stat.S_IRWXU)
    for entry in os.scandir(str(path)):
        if entry.is_dir(follow_symlinks=False):
            _make_writable(Path(entry.path))
