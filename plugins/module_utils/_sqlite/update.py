# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An update of a backup: the pages that have changed since, in a small file that the backup is the base of.

It is made when the app has stopped, so nothing is copied, hashed or checked again that has not changed. Which pages may
have changed is known from the WAL as long as it was not restarted since the backup; otherwise each page is compared
with the backup's, which reads both files and writes only what differs.

The file: the magic, then page size, number of pages of the database, and number of entries, 4 bytes each; then entries
of a page number, 4 bytes, and the page. Numbers are big-endian.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import struct
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Iterable, Iterator, Optional, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import wal as sqlite_wal
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.backup import describe, store, writing_to
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.backup_plan import BackupPlan, signature_of
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    Contents,
    LockedError,
    SqliteError,
    connection,
    read_contents,
    resolve,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import (
    Manifest,
    base_of,
    is_there,
    read_manifest,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.schema import read_schema

_MAGIC = b"greenlight pages"
_HEADER = struct.Struct(">16sIII")
_NUMBER = struct.Struct(">I")
_COMPARED_AT_ONCE = 1 << 18


def update_backup(plan: BackupPlan, manifest: Manifest) -> Optional[Manifest]:
    """Make the update that `plan` describes of a backup, and return its manifest; None when a whole one is needed.

    That is so for a backup that is compressed, unverified, or in another folder, and while another process has the
    database open. Raises SqliteError.
    """
    base = read_manifest(base_of(manifest)) if manifest["base"] else manifest
    if not _can_be_updated(base, plan):
        return None
    with writing_to(plan) as partial:
        described = _write_changed(plan, base, partial)
        if described is None:
            return None
        about = {
            "method": "pages",
            "verified": "none",
            "row_counts": None,
            "base": Path(base["path"]).name,
            "base_sha256": base["sha256"],
            "content_sha256": None,
        }
        return store(plan, partial, files.sha256_of(partial), {**described, **about})


def _can_be_updated(base: Manifest, plan: BackupPlan) -> bool:
    same_folder = resolve(Path(base["path"])).parent == resolve(plan.final.parent)
    return (
        base["compression"] == "none"
        and base["sha256"] is not None
        and base["source"] == str(plan.real)
        and same_folder
        and is_there(base)
    )


def _write_changed(plan: BackupPlan, base: Manifest, partial: Path) -> Optional[Manifest]:
    """Write what changed if nobody else has the database open, and return what the manifest says of it, else None."""
    # Closing any descriptor of the database drops this process's locks on it, so all outlive the connection.
    with ExitStack() as descriptors:
        with contextlib.suppress(LockedError), connection(plan.real, 0) as opened:
            return _write_alone(opened, plan, base, partial, descriptors)
    return None


def _write_alone(
    opened: sqlite3.Connection, plan: BackupPlan, base: Manifest, partial: Path, descriptors: ExitStack
) -> Optional[Manifest]:
    opened.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()
    opened.execute("BEGIN EXCLUSIVE")
    contents, schema = read_contents(opened, with_rows=False), read_schema(opened)
    opened.execute("COMMIT")
    if contents.page_size != base["page_size"]:
        return None
    wal = plan.real.with_name(plan.real.name + "-wal")
    in_wal = sqlite_wal.pages_in(wal, contents.page_size, base["wal_salt"])
    if contents.journal_mode == "wal" and not _checkpoint(opened):
        return None
    live, copy = (trust.open_kept(path, descriptors) for path in (plan.real, Path(base["path"])))
    pages = range(1, contents.page_count + 1)
    wanted = (
        _differing(live, copy, contents.page_size, pages)
        if in_wal is None
        else (number for number in sorted(in_wal) if number in pages)
    )
    _write_pages(partial, contents, _read_differing(live, copy, contents.page_size, wanted))
    # The WAL is empty now, and closing an exclusive connection leaves the file alone.
    described = describe(plan, contents, signature_of(plan.real), schema)
    return {**described, "content_size": contents.page_size * contents.page_count}


def _checkpoint(opened: sqlite3.Connection) -> bool:
    return not opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]


def _differing(live: int, copy: int, page_size: int, pages: range) -> Iterator[int]:
    """Yield the pages of the parts of two files that differ, compared in large pieces."""
    step = max(1, _COMPARED_AT_ONCE // page_size)
    for first in range(pages.start, pages.stop, step):
        offset, size = (first - 1) * page_size, step * page_size
        if os.pread(live, size, offset) != os.pread(copy, size, offset):
            yield from range(first, min(first + step, pages.stop))


def _read_differing(live: int, copy: int, page_size: int, pages: Iterable[int]) -> Iterator[Tuple[int, bytes]]:
    for number in pages:
        offset = (number - 1) * page_size
        page = os.pread(live, page_size, offset)
        if page != os.pread(copy, page_size, offset):
            yield number, page


def _write_pages(partial: Path, contents: Contents, changed: Iterable[Tuple[int, bytes]]) -> None:
    """Write the file of an update, and wait until it is on the disk."""
    with os.fdopen(files.create_private(partial), "wb") as file:
        file.write(bytes(_HEADER.size))
        entries = 0
        for number, page in changed:
            file.write(_NUMBER.pack(number) + page)
            entries += 1
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, contents.page_size, contents.page_count, entries))
        file.flush()
        os.fsync(file.fileno())


class _Hashed:
    """A file whose content is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        return piece


def apply_update(update: Path, target: int) -> str:
    """Write the pages of an update over a copy of its base, and return the SHA-256 of the file that was read.

    Raises SqliteError for a file that is none, TrustError, OSError.
    """
    with os.fdopen(trust.open_regular(update), "rb") as opened:
        file = _Hashed(opened)
        header = file.read(_HEADER.size)
        if len(header) != _HEADER.size or header[: len(_MAGIC)] != _MAGIC:
            raise SqliteError(f"{update} is not the update of a backup")
        _magic, page_size, page_count, entries = _HEADER.unpack(header)
        for _entry in range(entries):
            number = _NUMBER.unpack(file.read(_NUMBER.size))[0]
            os.pwrite(target, file.read(page_size), (number - 1) * page_size)
    os.ftruncate(target, page_count * page_size)
    return file.digest.hexdigest()
