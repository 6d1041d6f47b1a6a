# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An update of a backup: the pages that have changed since, in a small file that the backup is the base of.

It is made when the app has stopped, so nothing is copied, hashed or checked again that has not changed. Which pages may
have changed is known from the WAL as long as it was not restarted since the backup; otherwise each page is compared
with the backup's, which reads both files and writes only what differs. Others, such as Litestream, may have the
database open meanwhile.

The file: the magic, then page size, number of pages of the database, and number of entries, 4 bytes each; then entries
of a page number, 4 bytes, and the page. Numbers are big-endian.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import sqlite3
import struct
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Collection, Dict, Iterable, Iterator, List, Mapping, Optional

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
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.schema import Schema, read_schema

_MAGIC = b"greenlight pages"
_HEADER = struct.Struct(">16sIII")
_NUMBER = struct.Struct(">I")
_COMPARED_AT_ONCE = 1 << 18
# Seconds that a transaction of another process may take.
_WRITERS_TIME = 1.0


def update_backup(plan: BackupPlan, manifest: Manifest) -> Optional[Manifest]:
    """Make the update that `plan` describes of a backup, and return its manifest; None when a whole one is needed.

    That is so for a backup that is compressed, unverified, or in another folder, and while another process changes the
    database. Raises SqliteError.
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


@dataclass(frozen=True)
class _Live:
    """The pages of a database as they were committed last: in its file, or in its WAL where `frames` says so.

    `changed` are the only pages that can differ from the backup; None where that is not known.
    """

    file: int
    contents: Contents
    wal: int = -1
    frames: Mapping[int, int] = field(default_factory=dict)
    changed: Optional[Collection[int]] = None

    def read(self, number: int) -> bytes:
        size = self.contents.page_size
        in_file = number not in self.frames
        return os.pread(
            self.file if in_file else self.wal, size, (number - 1) * size if in_file else self.frames[number]
        )

    def possibly_changed(self, copy: int) -> Iterable[int]:
        """Return the pages to be compared with a copy, each alone. The rest is compared in large pieces before."""
        pages = range(1, self.contents.page_count + 1)
        if self.changed is not None:
            return [number for number in sorted(self.changed) if number in pages]
        in_file = _differing(self.file, copy, self.contents.page_size, pages)
        in_wal = [number for number in sorted(self.frames) if number in pages]
        return itertools.chain(in_wal, (number for number in in_file if number not in self.frames))


def _write_changed(plan: BackupPlan, base: Manifest, partial: Path) -> Optional[Manifest]:
    """Write what changed, and return what the manifest says of it, None where that cannot be known."""
    # Closing any descriptor of the database drops this process's locks on it, so all outlive the connection.
    with ExitStack() as descriptors:
        with contextlib.suppress(LockedError), connection(plan.real, 0) as opened:
            return _write_alone(opened, plan, base, partial, descriptors)
        with contextlib.suppress(LockedError), connection(plan.real, min(plan.timeout, _WRITERS_TIME)) as opened:
            return _write_beside_others(opened, plan, base, partial, descriptors)
    return None


def _write_alone(
    opened: sqlite3.Connection, plan: BackupPlan, base: Manifest, partial: Path, descriptors: ExitStack
) -> Optional[Manifest]:
    """Raises LockedError while another process has the database open."""
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
    live = _Live(trust.open_kept(plan.real, descriptors), contents, changed=in_wal)
    _write_pages(partial, live, trust.open_kept(Path(base["path"]), descriptors))
    # The WAL is empty now, and closing an exclusive connection leaves the file alone.
    return _described(plan, contents, signature_of(plan.real), schema)


def _write_beside_others(
    opened: sqlite3.Connection, plan: BackupPlan, base: Manifest, partial: Path, descriptors: ExitStack
) -> Optional[Manifest]:
    """Write what changed while others have the database open.

    In WAL mode nobody waits: as long as this transaction lasts, nobody overwrites what it sees, but for frames that are
    in the file as well. With a rollback journal whoever wants to write waits. Raises LockedError.
    """
    signature, mark = signature_of(plan.real), None
    has_wal = opened.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    if has_wal:
        mark = sqlite_wal.begin_at_mark(opened, plan.real, descriptors)
    else:
        opened.execute("BEGIN IMMEDIATE")
    contents, schema = read_contents(opened, with_rows=False), read_schema(opened)
    if contents.page_size != base["page_size"] or (has_wal and not mark):
        return None
    live = _Live(trust.open_kept(plan.real, descriptors), contents)
    if mark:
        wal = trust.open_kept(plan.real.with_name(plan.real.name + "-wal"), descriptors)
        frames = sqlite_wal.newest_frames(wal, mark, contents.page_size)
        live = replace(
            live, wal=wal, frames=frames, changed=frames if frames and mark.salt == base["wal_salt"] else None
        )
    _write_pages(partial, live, trust.open_kept(Path(base["path"]), descriptors))
    if mark and not sqlite_wal.is_still(live.wal, mark):
        return None
    return _described(plan, contents, signature, schema)


def _described(plan: BackupPlan, contents: Contents, signature: Dict[str, List[int]], schema: Schema) -> Manifest:
    described = describe(plan, contents, signature, schema)
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


def _write_pages(partial: Path, live: _Live, copy: int) -> None:
    """Write the file of an update, and wait until it is on the disk."""
    size = live.contents.page_size
    with os.fdopen(files.create_private(partial), "wb") as file:
        file.write(bytes(_HEADER.size))
        entries = 0
        for number in live.possibly_changed(copy):
            page = live.read(number)
            if page != os.pread(copy, size, (number - 1) * size):
                file.write(_NUMBER.pack(number) + page)
                entries += 1
        file.seek(0)
        file.write(_HEADER.pack(_MAGIC, size, live.contents.page_count, entries))
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
