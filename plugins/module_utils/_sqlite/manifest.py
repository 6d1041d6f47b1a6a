# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest next to each backup, `<backup>.json`: what the backup is of, whether it is whole, how long it is kept.

A manifest is a JSON object. `size` and `sha256` are those of the backup as it lies there, `content_size` and
`content_sha256` those of the database in it. `signature` describes the source's files before the copy.
`base` is null, or for an update the name of the backup whose changed pages it holds; its `row_counts` is null, since
counting costs as much as the database is large. A database that a restore set aside lies in a folder of its own, with
what a killed process left next to it (`sidecars`); `damaged` says what is wrong with it::

    {"format": 1, "source": "/srv/shop/shop.db", "signature": {"": [4096, 1771466400000000000]}, "created": "...",
     "release_id": "...", "method": "clone" | "copy" | "backup_api" | "pages", "verified": "full" | "quick" | "none",
     "unknown": ["collation THAI"], "compression": "none" | "gzip" | "zstd", "size": 4096, "sha256": "<64 hex>",
     "content_size": 4096, "content_sha256": "<64 hex>", "base": null, "base_sha256": null, "wal_salt": "<16 hex>",
     "sqlite_version": "3.40.1",
     "sequence": 7, "sidecars": ["-wal"], "damaged": "", "schema": {...as _sqlite.schema writes it...},
     ...and the fields of _sqlite.Contents}
"""

from __future__ import annotations

import contextlib
import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    SIDECARS,
    SqliteError,
    connection,
    is_sqlite,
    read_head,
    resolve,
)

FORMAT = 1
# Fine enough to order two backups of one second.
CREATED = "%Y-%m-%dT%H:%M:%S.%fZ"
_NONE = type(None)
_KINDS: Dict[str, Tuple[type, ...]] = {
    "source": (str,),
    "signature": (dict,),
    "created": (str,),
    "size": (int,),
    "sha256": (str, _NONE),
    "schema_sha256": (str,),
    "user_version": (int,),
    "application_id": (int,),
    "page_size": (int,),
    "journal_mode": (str,),
    "compression": (str,),
    "base": (str, _NONE),
    "base_sha256": (str, _NONE),
    "wal_salt": (str, _NONE),
    "unknown": (list,),
    "row_counts": (dict, _NONE),
    "content_size": (int,),
    "content_sha256": (str, _NONE),
    "schema": (dict, _NONE),
    "sequence": (int,),
}
# What the manifests of the first version did not say.
_OPTIONAL: Dict[str, Any] = {
    "compression": "none",
    "base": None,
    "base_sha256": None,
    "wal_salt": None,
    "unknown": [],
    "schema": None,
    "sequence": 0,
    "sidecars": [],
    "damaged": "",
}
# Ending of the folders in which restores set aside what they replace.
SET_ASIDE = ".replaced"

Manifest = Dict[str, Any]


def manifest_path(backup: Path) -> Path:
    return backup.with_name(backup.name + ".json")


def copied_path(backup: Path) -> Path:
    """Return the file that says what came of the copies of a backup off the host."""
    return backup.with_name(backup.name + ".copied")


def read_manifest(backup: Path) -> Manifest:
    """Return the manifest of a backup with its paths. Raises SqliteError when it is none of ours, and says why."""
    path = manifest_path(backup)
    try:
        with os.fdopen(trust.open_regular(path), encoding="utf-8") as file:
            manifest = json.load(file)
        version = manifest["format"]
    except FileNotFoundError as error:
        raise SqliteError(f"{_what_is(backup)}; it has no manifest {path.name}, so it is no backup of ours") from error
    except trust.TrustError as error:
        raise SqliteError(f"{error}; nothing is known of {backup}") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SqliteError(f"The manifest {path} cannot be read, so nothing is known of {backup}") from error
    if version != FORMAT:
        raise SqliteError(f"{path} has format {version!r}, this version reads {FORMAT}; update the collection")
    content = {"content_size": manifest.get("size"), "content_sha256": manifest.get("sha256")}
    known = {**_OPTIONAL, **content, **manifest}
    wrong = [name for name, kinds in _KINDS.items() if not isinstance(known.get(name), kinds) or name not in known]
    if wrong or known["page_size"] < 512 or not _is_time(known["created"]):
        name = wrong[0] if wrong else "page_size or created"
        raise SqliteError(f"The manifest {path} says nothing useful of {name}, so nothing is known of {backup}")
    return {**known, "path": str(backup), "manifest": str(path)}


def read_backup(path: Path) -> Manifest:
    """Return the manifest of a backup, or of the database in the folder in which a restore set it aside.

    Raises SqliteError.
    """
    if not (path.name.endswith(SET_ASIDE) and path.is_dir()):
        return read_manifest(path)
    found = sorted(each for each in path.iterdir() if each.name.endswith(".json"))
    if not found:
        raise SqliteError(f"{path} has no manifest, so it is no whole database that a restore has set aside")
    return read_manifest(found[0].with_suffix(""))


def _is_time(text: str) -> bool:
    try:
        return bool(datetime.strptime(text, CREATED))
    except ValueError:
        return False


def _what_is(backup: Path) -> str:
    """Return what a file is that was given as a backup, for a person who picked the wrong one."""
    if not os.path.lexists(str(backup)):
        return f"The backup {backup} does not exist"
    head = read_head(backup, resolve(backup))
    if not head:
        return f"{backup} is an empty file"
    return f"{backup} is a SQLite database" if is_sqlite(head) else f"{backup} is not a SQLite database"


def base_of(manifest: Manifest) -> Path:
    """Return the backup whose changed pages an update holds. It lies in the same folder."""
    return Path(manifest["path"]).with_name(Path(manifest["base"]).name)


def is_set_aside(manifest: Manifest) -> bool:
    """Say whether it is no backup that was taken, but a database that a restore replaced."""
    return Path(manifest["path"]).parent.name.endswith(SET_ASIDE)


def verify_backup(manifest: Manifest, timeout: float = 60) -> str:
    """Return "" when a backup, and what it rests on, is what its manifest says, else what is wrong with it.

    What SQLite has yet to fold into a database that was set aside is checked when that is restored.
    """
    if manifest["damaged"] or manifest["sidecars"]:
        missing = [each for each in manifest["sidecars"] if not os.path.exists(manifest["path"] + each)]
        return str(manifest["damaged"] or (f"its {missing[0]} is missing" if missing else ""))
    problem = _verify_file(Path(manifest["path"]), manifest["size"], manifest["sha256"], timeout)
    if problem or not manifest["base"]:
        return problem
    base = base_of(manifest)
    try:
        below = read_manifest(base)
    except SqliteError as error:
        return f"the backup that it updates is missing: {error}"
    if below["sha256"] != manifest["base_sha256"]:
        return f"the backup that it updates, {base}, is another one now"
    problem = verify_backup(below, timeout)
    return f"the backup that it updates, {base}, is not sound: {problem}" if problem else ""


def _verify_file(backup: Path, size: int, sha256: Optional[str], timeout: float) -> str:
    try:
        with trust.reading(backup) as file:
            found = os.fstat(file).st_size
            if found != size:
                return f"it has {found} bytes, its manifest says {size}"
            if sha256 is not None:
                same = files.sha256_of_open(file) == sha256
                return "" if same else "its SHA-256 is not the one in its manifest"
        with connection(backup, timeout, "ro", immutable=True) as opened:
            return check(opened, thoroughly=False).problem
    except trust.TrustError as error:
        return str(error)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def list_backups(folder: Path) -> List[Manifest]:
    """Return the manifests of the backups in a folder, oldest first; files without a readable one are not ours."""
    return read_folder(folder)[0]


def read_folder(folder: Path) -> Tuple[List[Manifest], Dict[str, str]]:
    """Return the manifests of the backups in a folder, oldest first, and backup -> problem of unreadable ones.

    Raises SqliteError for a folder that cannot be read. One that does not exist holds no backup.
    """
    found, problems = [], {}
    try:
        names = sorted(_names_in(folder))
    except FileNotFoundError:
        return [], {}
    except OSError as error:
        raise SqliteError(f"The folder {folder} cannot be read: {error.strerror}; correct the path") from error
    for name in names:
        backup = folder / name[: -len(".json")]
        try:
            found.append(read_manifest(backup))
        except SqliteError as error:
            problems[str(backup)] = str(error)
    return sorted(found, key=lambda manifest: (manifest["sequence"], manifest["created"], manifest["path"])), problems


def next_sequence(folder: Path, source: str) -> int:
    """Return the number of the next backup of a database, which orders them also when the clock was set back."""
    return 1 + max((each["sequence"] for each in list_backups(folder) if each["source"] == source), default=0)


def _names_in(folder: Path) -> Iterator[str]:
    for name in os.listdir(str(folder)):
        if name.endswith(SET_ASIDE) and name[0] != "." and (folder / name).is_dir():
            yield from (f"{name}/{each}" for each in os.listdir(str(folder / name)) if each.endswith(".json"))
        elif name.endswith(".json") and name[0] != ".":
            yield name


def is_there(manifest: Manifest) -> bool:
    """Say whether the backup has the size in its manifest: one that is gone or cut must not push others out."""
    try:
        return bool(os.stat(manifest["path"]).st_size == manifest["size"])
    except OSError:
        return False


def choose_to_remove(manifests: Sequence[Manifest], keep: Dict[str, int], protect: Sequence[str]) -> List[Manifest]:
    """Return the backups that no rule keeps; `manifests` are those of one database that are there, oldest first.

    `last` keeps that many of the newest, `daily` and `weekly` the newest of that many days and ISO weeks. Without a
    rule everything is kept. What is kept keeps the backup that it updates; the two count as one.
    """
    if not keep:
        return []
    kept = {str(path) for path in protect}
    bases = _bases_of(manifests, {manifest["path"] for manifest in manifests})
    newest_first = [manifest for manifest in reversed(manifests) if manifest["path"] not in bases]
    kept.update(manifest["path"] for manifest in newest_first[: keep.get("last", 0)])
    for rule, pattern in (("daily", "%Y-%m-%d"), ("weekly", "%G-%V")):
        periods: Dict[str, str] = {}
        for manifest in newest_first:
            periods.setdefault(created_at(manifest).strftime(pattern), manifest["path"])
        kept.update(list(periods.values())[: keep.get(rule, 0)])
    kept |= _bases_of(manifests, kept)
    return [manifest for manifest in manifests if manifest["path"] not in kept]


def backups_of(manifests: Sequence[Manifest], source: Optional[str]) -> List[Manifest]:
    """Return the backups of a database, oldest first, without a source those of every one; none that was set aside."""
    found = [each for each in manifests if source in (None, each["source"]) and not is_set_aside(each)]
    return found if source else sorted(found, key=created_at)


def created_at(manifest: Manifest) -> datetime:
    """Return the time of a backup, in UTC."""
    return datetime.strptime(manifest["created"], CREATED).replace(tzinfo=timezone.utc)


def _bases_of(manifests: Sequence[Manifest], kept: Set[str]) -> Set[str]:
    return {str(base_of(manifest)) for manifest in manifests if manifest["path"] in kept and manifest["base"]}


def remove_backups(manifests: Sequence[Manifest]) -> None:
    """Delete backups, the manifest last, so that a half-deleted one is still known as ours. Raises SqliteError."""
    for manifest in manifests:
        try:
            sidecars = [manifest["path"] + suffix for suffix in SIDECARS] if is_set_aside(manifest) else []
            copied = str(copied_path(Path(manifest["path"])))
            for path in (manifest["path"], *sidecars, copied, manifest["manifest"]):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            if is_set_aside(manifest):
                os.rmdir(str(Path(manifest["path"]).parent))
        except OSError as error:
            raise SqliteError(f"Cannot remove the backup {manifest['path']}: {error.strerror}") from error


def parse_keep(keep: Dict[str, Any]) -> Dict[str, int]:
    """Return the rules of retention. Raises SqliteError for an unknown one or a number that is none."""
    for rule, number in keep.items():
        if rule not in ("last", "daily", "weekly"):
            raise SqliteError(f"keep has no rule {rule!r}; use last, daily and weekly")
        if not (str(number).isascii() and str(number).isdigit()):
            raise SqliteError(f"keep.{rule} must be a whole number, not {number!r}")
    return {rule: int(number) for rule, number in keep.items()}
