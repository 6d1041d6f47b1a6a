# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of any kind, unpacked into one plain database file that is ready to replace another."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Optional

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import compress
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SIDECARS,
    SqliteError,
    connection,
    read_contents,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import (
    Manifest,
    base_of,
    read_manifest,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.update import apply_update

# What a user may not set, or a filesystem does not have.
_NO_ATTRIBUTE = (errno.ENOTSUP, errno.ENODATA, errno.EPERM, errno.EACCES)
# What two files with the same content may differ in: journal mode, change counters (pages, schema), SQLite's version.
# https://www.sqlite.org/fileformat2.html#the_database_header
_VARIABLE = ((18, 20), (24, 28), (40, 44), (92, 100))


def is_plain(manifest: Manifest) -> bool:
    """Say whether the backup itself is a database file."""
    return manifest["compression"] == "none" and not (manifest["base"] or manifest["sidecars"])


def stage(staged: Path, manifest: Manifest, timeout: float) -> None:
    """Unpack a verified backup into the new file `staged`, mode 0600, not yet synced.

    What is in it is compared with the manifest again: the files may have been exchanged since they were verified.
    Raises SqliteError, TrustError, OSError.
    """
    base = read_manifest(base_of(manifest)) if manifest["base"] else manifest
    descriptor = files.create_private(staged)
    for suffix in set(base["sidecars"]) & set(SIDECARS):
        with trust.reading(Path(base["path"] + suffix)) as source, os.fdopen(
            files.create_private(Path(f"{staged}{suffix}")), "wb"
        ) as copy:
            files.copy_in_kernel(source, copy.fileno(), os.fstat(source).st_size)
    try:
        _refuse_another(base, base["content_sha256"], _copy(base, descriptor))
        if manifest["base"]:
            _refuse_another(base, manifest["base_sha256"], base["sha256"])
            _refuse_another(manifest, manifest["sha256"], apply_update(Path(manifest["path"]), descriptor))
    finally:
        os.close(descriptor)
    if manifest["base"] or manifest["content_sha256"] is None:
        _check(staged, manifest, timeout)


def _copy(base: Manifest, descriptor: int) -> str:
    """Copy what is in a backup, and return its SHA-256, "" where the manifest knows none."""
    path = Path(base["path"])
    if base["compression"] != "none":
        return compress.decompress(path, descriptor, base["compression"])
    with trust.reading(path) as source:
        files.copy_in_kernel(source, descriptor, base["size"])
    return files.sha256_of_open(descriptor) if base["content_sha256"] else ""


def _refuse_another(manifest: Manifest, known: Optional[str], found: Optional[str]) -> None:
    if known and known != found:
        raise SqliteError(f"What is in {manifest['path']} is not what its manifest says; choose another backup")


def _check(staged: Path, manifest: Manifest, timeout: float) -> None:
    """Check a backup as a whole that never was: an updated one, or one that was not to be verified."""
    with connection(staged, timeout) as copy:
        problem = check(copy, thoroughly=False).problem
        contents = read_contents(copy, with_rows=False)
    found = (contents.schema_sha256, contents.user_version)
    if not problem:
        fold(staged, timeout)
    if problem or found != (manifest["schema_sha256"], manifest["user_version"]):
        raise SqliteError(
            f"The backup {manifest['path']} is not sound: {problem or 'its schema is another one'}; choose another one"
        )


def fold(path: Path, timeout: float) -> None:
    """Carry the WAL of a copy into it. SQLite would do that when it closes it, and say nothing where it fails.

    Raises SqliteError.
    """
    with connection(path, timeout) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        if copy.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise SqliteError(f"Cannot fold the write-ahead log into {path}, which another process uses; end that")


def make_like(staged: Path, real: Path) -> None:
    """Give the staged file the owner, mode and attributes of the database, or of its folder when there is none.

    All is done to the open file: in a folder of the app's user the name could lead elsewhere meanwhile.
    """
    exists = real.exists()
    status = (real if exists else real.parent).stat()
    descriptor = trust.open_made(staged)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, status.st_uid, status.st_gid)
        if exists:
            os.fchmod(descriptor, status.st_mode & 0o777)
            _copy_attributes(real, descriptor)
    finally:
        os.close(descriptor)


def _copy_attributes(real: Path, descriptor: int) -> None:
    """Copy access lists and security labels, as far as this user and the filesystem have them."""
    for name in os.listxattr(str(real)):
        try:
            os.setxattr(descriptor, name, os.getxattr(str(real), name))
        except OSError as error:
            if error.errno not in _NO_ATTRIBUTE:
                raise


def set_journal_mode(staged: Path, mode: str, timeout: float) -> None:
    """Give the staged file the journal mode of the database that was backed up, and wait until it is on the disk."""
    with connection(staged, timeout) as copy:
        copy.execute(f"PRAGMA journal_mode = {'WAL' if mode == 'wal' else 'DELETE'}").fetchone()
    files.sync_in_steps(staged)


def same_content(one: Path, other: Path) -> bool:
    """Say whether two database files hold the same, page by page."""
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb", buffering=0) as left, other.open("rb", buffering=0) as right:
        if _fixed(left.read(100)) != _fixed(right.read(100)):
            return False
        while True:
            chunk = left.read(1 << 18)
            if chunk != right.read(1 << 18):
                return False
            if not chunk:
                return True


def _fixed(header: bytes) -> bytes:
    fixed = bytearray(header)
    for start, end in _VARIABLE:
        fixed[start:end] = bytes(end - start)
    return bytes(fixed)
