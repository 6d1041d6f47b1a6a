# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A drill: the newest backup is restored to a folder of its own, checked there, and removed again.

The folder has a fixed name, so that the next drill removes what a killed one left. What came of a drill is kept in
`<state path>/drill.json`, a JSON object::

    {"format": 1, "at": "2026-02-19T03:00:07Z", "good": true, "problem": "", "backup": "...", "created": "..."}
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import outcome, stage
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.check import Checked, check
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import (
    Contents,
    SqliteError,
    connection,
    read_contents,
    resolve,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import (
    Manifest,
    backups_of,
    base_of,
    created_at,
    manifest_path,
    read_folder,
    read_manifest,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import describe_age

FILE = "drill.json"
_FOLDER = ".drill"
_MARGIN = 1 << 20


@dataclass(frozen=True)
class Drill:
    """A drill of the newest backup in `dest`, of the database `path` or else of any, in a folder below `workspace`.

    `thoroughly` compares the indexes with the tables as well. What came of it is kept in `state_path`, if that is set.
    """

    dest: str
    workspace: str
    path: Optional[str] = None
    thoroughly: bool = True
    state_path: Optional[str] = None
    timeout: float = 60


def drill(wanted: Drill, now: datetime, clock: Callable[[], float], check_mode: bool = False) -> Dict[str, Any]:
    """Return what came of a drill, and keep it. `problem` says why the newest backup is not good, "" when it is.

    `report` says in one sentence what was found, or what would be done in check mode.
    """
    result: Dict[str, Any] = {"changed": False, "backup": None, "created": None, "age": None, "problem": ""}
    try:
        manifest = find_newest(wanted)
        age = int((now - created_at(manifest)).total_seconds())
        result.update(backup=manifest["path"], created=manifest["created"], age=age)
        found = _predict(wanted, manifest) if check_mode else _restore_and_check(wanted, manifest, clock)
        what = f"The backup {manifest['path']}, {describe_age(age)} old,"
        result.update({**found, "report": f"{what} {found['report']}"})
    except (SqliteError, trust.TrustError) as error:
        result["problem"] = str(error)
    except OSError as error:
        result["problem"] = f"The system refused the drill: {files.explain(error)}"
    # Where the app was never released there is no such folder, which is no reason to hide what was found.
    if wanted.state_path and Path(wanted.state_path).is_dir() and not check_mode:
        _keep(Path(wanted.state_path), _source_of(wanted), {**result, "at": outcome.format_time(now)})
    return result


def find_newest(wanted: Drill) -> Manifest:
    """Return the newest backup. Raises SqliteError when there is none, or a newer one that nothing is known of."""
    folder, source = Path(wanted.dest), _source_of(wanted)
    manifests, unreadable = read_folder(folder)
    # One that was cut is found, to be told: who lists backups passes it over.
    found = [each for each in backups_of(manifests, source) if os.path.lexists(each["path"])]
    if not found:
        what = f"of {source} in {folder}" if source else f"in {folder}"
        raise SqliteError(f"There is no backup {what}; take one with greenlight.release.backup")
    newest = found[-1]
    since = os.stat(newest["manifest"]).st_mtime_ns
    newer = [why for path, why in unreadable.items() if _changed_at(manifest_path(Path(path))) > since]
    if newer:
        raise SqliteError(f"{newer[0]}, and it is newer than {newest['path']}; take a new backup")
    return newest


def _source_of(wanted: Drill) -> Optional[str]:
    return str(resolve(Path(wanted.path))) if wanted.path else None


def _changed_at(path: Path) -> int:
    return os.lstat(path).st_mtime_ns


def _predict(wanted: Drill, manifest: Manifest) -> Dict[str, Any]:
    needed = _refuse_lack_of_space(wanted, manifest)
    where = Path(wanted.workspace) / _FOLDER
    return {"report": f"would be restored to {where}, which takes {needed} bytes"}


def _restore_and_check(wanted: Drill, manifest: Manifest, clock: Callable[[], float]) -> Dict[str, Any]:
    began = clock()
    _refuse_lack_of_space(wanted, manifest)
    with _own_folder(Path(wanted.workspace)) as folder:
        restored = folder / "restored.db"
        stage.stage(restored, manifest, wanted.timeout)
        with connection(restored, wanted.timeout, "ro", immutable=True) as opened:
            checked = check(opened, wanted.thoroughly)
            if checked.problem:
                raise SqliteError(f"The backup {manifest['path']} is damaged: {checked.problem}; take a new one")
            contents = read_contents(opened)
    _refuse_other_contents(manifest, contents)
    return _describe(wanted, checked, contents, clock() - began)


def _refuse_lack_of_space(wanted: Drill, manifest: Manifest) -> int:
    """Return how many bytes a restore takes. Raises SqliteError where there is no room, or no folder to work in."""
    sizes = [each["content_size"] for each in (manifest, *_below(manifest))]
    needed, folder = max(sizes) + _MARGIN, Path(wanted.workspace)
    if not folder.is_dir():
        raise SqliteError(f"{folder} is no folder to restore a backup in; make it, or correct greenlight_drill_path")
    free = shutil.disk_usage(str(folder)).free
    if free < needed:
        raise SqliteError(
            f"No space for a drill in {folder}: {needed} bytes are needed, {free} are free; set greenlight_drill_path"
        )
    return int(needed)


def _below(manifest: Manifest) -> List[Manifest]:
    return [read_manifest(base_of(manifest))] if manifest["base"] else []


@contextlib.contextmanager
def _own_folder(workspace: Path) -> Iterator[Path]:
    """Give a new folder of mode 0700, and remove it with all that is in it. Raises SqliteError while another works."""
    above = os.open(str(workspace), os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(above, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SqliteError(f"Another drill is at work in {workspace}; wait for it to end") from error
        _remove(above)
        trust.make_folder(workspace / _FOLDER, 0o700, -1, -1)
        try:
            yield workspace / _FOLDER
        finally:
            _remove(above)
    finally:
        os.close(above)


def clear(workspace: str) -> None:
    """Remove what a drill left that was killed. Raises SqliteError while another one is at work, OSError."""
    if os.path.lexists(str(Path(workspace) / _FOLDER)):
        with _own_folder(Path(workspace)):
            pass


def _remove(above: int) -> None:
    """Remove the folder of a drill and the files in it, by descriptors: a name could lead elsewhere meanwhile."""
    try:
        folder = os.open(_FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
    except FileNotFoundError:
        return
    try:
        for each in os.listdir(folder):
            os.unlink(each, dir_fd=folder)
    finally:
        os.close(folder)
    os.rmdir(_FOLDER, dir_fd=above)


def _refuse_other_contents(manifest: Manifest, contents: Contents) -> None:
    """Raise SqliteError where the restored database does not hold what the manifest says."""
    if (contents.schema_sha256, contents.user_version) != (manifest["schema_sha256"], manifest["user_version"]):
        raise SqliteError(f"The backup {manifest['path']} has another schema than its manifest says; take a new one")
    known = manifest["row_counts"]
    if known is not None and known != contents.row_counts:
        found = contents.row_counts
        name = min(name for name in {*known, *found} if known.get(name) != found.get(name))
        raise SqliteError(
            f"The backup {manifest['path']} has {found.get(name)} rows in {name}, its manifest says {known.get(name)}; "
            "take a new one"
        )


def _describe(wanted: Drill, checked: Checked, contents: Contents, seconds: float) -> Dict[str, Any]:
    rows = sum(contents.row_counts.values())
    how = "full" if wanted.thoroughly and not checked.unknown else "quick"
    return {
        "changed": True,
        "checked": how,
        "unknown": list(checked.unknown),
        "row_counts": contents.row_counts,
        "user_version": contents.user_version,
        "schema_sha256": contents.schema_sha256,
        "seconds": round(seconds, 1),
        "report": (
            f"can be restored: {rows} rows in {len(contents.row_counts)} tables, user_version {contents.user_version}, "
            f"{how} check, {seconds:.1f} seconds"
        ),
    }


def _keep(state_path: Path, source: Optional[str], result: Dict[str, Any]) -> None:
    """Write down what came of a drill, the last one of all, and of each database the last one of it."""
    told = {name: result[name] for name in ("at", "problem", "backup", "created")}
    told = {"good": not told["problem"], **told}
    known = outcome.read(state_path / FILE).get("databases", {})
    each = {**known, **({source: told} if source else {})}
    outcome.keep(state_path / FILE, {**told, **({"databases": each} if each else {})})


def read_last(state_path: Path, source: Optional[str] = None) -> Dict[str, Any]:
    """Return what came of the last drill of a database, without a source of any; {} where nothing useful is known."""
    last = outcome.read(state_path / FILE)
    databases = last.pop("databases", {})
    if not source or not databases:
        return last
    found: Dict[str, Any] = databases.get(source, {})
    return found
