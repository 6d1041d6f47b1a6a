# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files next to a database in WAL mode, where the user of the app could not make them again.

In a folder that only root can write to, the app works with the files -wal and -shm that somebody made for it. SQLite
removes both when the last process closes the database. That process is root's when root works on a stopped app, which
could then never open its database again.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Dict, Iterator

from ansible_collections.greenlight.release.plugins.module_utils._host import trust

_WRITTEN_TO = ("-wal", "-shm")


@contextlib.contextmanager
def kept(real: Path) -> Iterator[None]:
    """Make the files next to a database again, empty, that root removes meanwhile and its owner could not make.

    The database is not opened for that: closing it would drop the locks of this process. Raises TrustError, OSError.
    """
    before = _only_roots(real)
    try:
        yield
    finally:
        for suffix, status in before.items():
            if real.exists():
                _make(Path(f"{real}{suffix}"), status)


def _only_roots(real: Path) -> Dict[str, os.stat_result]:
    """Return suffix -> status of what lies next to a database and only root could make there."""
    if os.geteuid() != 0:
        return {}
    with contextlib.suppress(FileNotFoundError), trust.held(real) as found:
        if trust.owner_of(found.folder) != trust.owner_of(trust.there(found)):
            paths = {suffix: f"{real}{suffix}" for suffix in _WRITTEN_TO}
            return {suffix: os.lstat(path) for suffix, path in paths.items() if os.path.lexists(path)}
    return {}


def _make(path: Path, status: os.stat_result) -> None:
    """Make an empty file like the one that was there, unless somebody else did that."""
    with trust.held(path.parent) as found:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path.name, flags, 0o600, dir_fd=trust.there(found))
            try:
                os.fchown(descriptor, status.st_uid, status.st_gid)
                os.fchmod(descriptor, status.st_mode & 0o777)
            finally:
                os.close(descriptor)
