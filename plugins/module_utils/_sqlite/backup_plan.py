# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a backup is to be, with everything checked that can be checked before anything is written."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional

from ansible_collections.greenlight.release.plugins.module_utils._sqlite import compress, wal
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SqliteError,
    real_database,
    refuse_hard_links,
    refuse_other_user,
    resolve,
)

_STAMP = "%Y%m%dT%H%M%SZ"
# Manifests and filesystems need a little more than the files themselves.
_MARGIN = 1 << 20


@dataclass(frozen=True)
class Access:
    """Owner, group and mode of the files that are made; None leaves them to who makes them."""

    uid: Optional[int] = None
    gid: Optional[int] = None
    mode: int = 0o600


@dataclass(frozen=True)
class BackupPlan:
    """One backup to be made as the file `final`.

    `verify` is full, quick or none, `compression` none, gzip or zstd. `timeout` in seconds bounds every wait for a
    lock.
    """

    real: Path
    final: Path
    verify: str
    timeout: float
    release_id: str
    created: datetime
    token: str
    compression: str = "none"
    access: Access = Access()

    def hidden(self, what: str = "") -> Path:
        """Return a name in the folder for what is being made, which no other run and nobody else uses."""
        return self.final.parent / f".{self.final.name}.{self.token}{what}.greenlight"


def plan_backup(
    path: Path,
    dest: str,
    created: datetime,
    token: str,
    verify: str = "quick",
    timeout: float = 60,
    release_id: str = "",
    compression: str = "none",
    access: Optional[Access] = None,
) -> BackupPlan:
    """Check everything that can be checked before anything is written. `token` makes the name in a folder unique.

    `dest` is a folder, or the file to be made: what does not exist yet is a file when its name has an ending.
    Raises SqliteError.
    """
    if timeout <= 0:
        raise SqliteError(f"timeout must be more than 0 seconds, not {timeout:g}")
    real = real_database(path)
    refuse_other_user(real)
    refuse_hard_links(real)
    compress.refuse_unavailable(compression)
    name = f"{real.name}.{created.strftime(_STAMP)}.{token}.db{compress.SUFFIXES[compression]}"
    final = Path(dest) if is_file(dest) else Path(dest) / name
    _check_folder(final.parent, real)
    if os.path.lexists(str(final)):
        raise SqliteError(f"{final} exists already, and a backup is never overwritten; give another name, or a folder")
    return BackupPlan(real, final, verify, timeout, release_id, created, token, compression, access or Access())


def plan_update(plan: BackupPlan, dest: str) -> BackupPlan:
    """Return the same plan for an update, which is no database file and so has another ending in a folder."""
    if is_file(dest):
        return replace(plan, compression="none")
    final = plan.final.with_name(f"{plan.final.name.rpartition('.db')[0]}.pages")
    return replace(plan, final=final, compression="none")


def is_file(dest: str) -> bool:
    """Say whether a destination names the file to be made, and not the folder for it."""
    path = Path(dest)
    return not path.is_dir() and not dest.endswith("/") and (path.exists() or path.suffix != "")


def _check_folder(folder: Path, real: Path) -> None:
    if resolve(folder) == real.parent:
        raise SqliteError(f"{folder} is the folder of the database itself; keep the backups in another one")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise SqliteError(f"{folder} is not a folder; give the folder for the backups")
    status = folder.stat()
    if status.st_mode & 0o022:
        raise SqliteError(f"{folder} can be written by other users; chmod it to 0700")
    if status.st_uid not in (0, os.geteuid(), real.stat().st_uid):
        raise SqliteError(f"{folder} belongs to uid {status.st_uid}, who could replace a backup; chown it")


def refuse_lack_of_space(plan: BackupPlan) -> None:
    """Raise SqliteError unless a whole backup has room.

    Folding a WAL can make the copy longer by as much, where nothing is known of it; a compressed file is written next
    to the copy.
    """
    sizes = {suffix: size for suffix, (size, _time) in signature_of(plan.real).items()}
    needed = sizes[""]
    if "-wal" in sizes:
        needed = wal.room_to_copy(plan.real, sizes[""]) or sizes[""] + 2 * sizes["-wal"]
    needed += _MARGIN
    if plan.compression != "none":
        needed *= 2
    folder = plan.final.parent
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(str(existing)).free
    if free < needed:
        raise SqliteError(f"No space for a backup in {folder}: {needed} bytes are needed, {free} are free")


def parse_access(owner: Optional[str], group: Optional[str], mode: Any) -> Access:
    """Return who may use the files. `mode` is an octal text or a number. Raises SqliteError."""
    try:
        bits = 0o600 if mode is None else int(mode, 8) if isinstance(mode, str) else int(mode)
    except (ValueError, TypeError) as error:
        raise SqliteError(f"mode must be an octal number such as '0640', not {mode!r}") from error
    if bits & ~0o660 or not bits & 0o400:
        raise SqliteError(f"mode {bits:04o} does not suit a backup, which holds all data; use 0600, 0640 or 0660")
    access = Access(_id_of(owner, "owner"), _id_of(group, "group"), bits)
    if access.uid not in (None, os.geteuid()) and os.geteuid() != 0:
        raise SqliteError(f"Only root can give the backup to {owner}; become root, or leave owner out")
    if access.gid is not None and os.geteuid() != 0 and access.gid not in (os.getegid(), *os.getgroups()):
        raise SqliteError(f"Only root can give the backup to group {group}, as this user is not in it; leave group out")
    return access


def _id_of(name: Optional[str], kind: str) -> Optional[int]:
    if name is None or name.isdigit():
        return None if name is None else int(name)
    try:
        return pwd.getpwnam(name).pw_uid if kind == "owner" else grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise SqliteError(f"{kind} {name!r} does not exist on the host; create it, or correct the name") from error


def signature_of(real: Path) -> Dict[str, List[int]]:
    """Return file suffix -> [size, time of the last change in ns] of a database and its WAL."""
    found = {}
    for suffix in ("", "-wal"):
        with contextlib.suppress(FileNotFoundError):
            status = os.stat(str(real) + suffix)
            if suffix == "" or status.st_size:
                found[suffix] = [status.st_size, status.st_mtime_ns]
    return found
