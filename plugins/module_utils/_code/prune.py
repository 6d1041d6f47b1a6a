# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases a host keeps, and how the others are removed.

Whatever can still be needed is kept beyond any number: what the link current leads to, what a process works in, the
last good release before it, and whatever an open release record names. The order is that of the ids, never that of the
times of folders.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any, Dict, Iterable, List, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import (
    build_place,
    git,
    in_place,
    releases,
    tree_copy,
)
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run
from ansible_collections.greenlight.release.plugins.module_utils._code.move import read_plan
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._host import proc as host_proc
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import RELEASE_ID, is_release_id

_LEFT_BEHIND = re.compile(rf"\.(?P<id>{RELEASE_ID})\.(partial|removed)")

Records = Sequence[release_record.Record]


def choose(ids: Iterable[str], protected: Iterable[str], keep: int) -> List[str]:
    """Return the ids to remove so that `keep` remain, protected ones counted, and never fewer than the protected."""
    if keep < 1:
        raise GitError(f"At least 1 release must be kept, not {keep}")
    known = sorted(ids, reverse=True)
    kept = set(protected) & set(known)
    others = [release_id for release_id in known if release_id not in kept]
    return sorted(others[max(0, keep - len(kept)) :])


def needed_by_records(records: Records, running: str) -> Tuple[Set[str], Set[str]]:
    """Return the ids and the revisions that must stay, of records oldest first."""
    held = [record for record in records if record["status"] == "in_progress"]
    held += [*release_record.not_given_up(records)[-1:], *release_record.standing(records)[-1:], *records[-1:]]
    good = [each["id"] for each in records if each["status"] in release_record.KEPT and each["id"] != running]
    revisions = {str(record[name]) for record in held for name in ("from_revision", "to_revision")}
    return {str(record["id"]) for record in held} | set(good[-1:]), revisions


def folders_in_use(folders: Iterable[Path], proc: Path = host_proc.PROC) -> Set[str]:
    """Return the names of the folders that a process works in, or that its command line names."""
    real = {each.name: os.path.realpath(str(each)) + "/" for each in folders}
    used: Set[str] = set()
    for pid in host_proc.pids(proc):
        place, command = f"{host_proc.working_folder(pid, proc)}/", host_proc.command_line(pid, proc)
        used |= {name for name, path in real.items() if place.startswith(path) or path in command}
    return used


def plan_releases(app_path: Path, records: Records, keep: int, proc: Path) -> Dict[str, List[str]]:
    """Return `{kept, removed, swept}` of the layout releases: ids, and the names of what killed runs left behind."""
    folder = app_path / "releases"
    if folder.is_symlink() or not folder.is_dir():
        raise GitError(f"{folder} is not a folder; correct the path of the app")
    running = releases.current(app_path)
    if running is None:
        raise GitError(f"{app_path / 'current'} does not exist, so nobody knows what runs; make it lead to a release")
    with os.scandir(str(folder)) as entries:
        ids = [each.name for each in entries if is_release_id(each.name) and each.is_dir(follow_symlinks=False)]
    protected, revisions = needed_by_records(records, running)
    protected.add(running)
    plans = [read_plan(folder / f".{release_id}.json") or {} for release_id in protected]
    protected |= {str(plan["previous"]) for plan in plans if plan.get("previous")}
    protected |= folders_in_use((folder / each for each in ids), proc)
    protected |= {each for each in ids if _revision(app_path, each) in revisions}
    removed = choose(ids, protected, keep)
    return {"kept": sorted(set(ids) - set(removed)), "removed": removed, "swept": _left_behind(folder, protected)}


def _revision(app_path: Path, release_id: str) -> str:
    """Return the revision of a release, empty for a folder that is none."""
    try:
        return releases.revision_of(app_path, release_id)
    except GitError:
        return ""


def _left_behind(folder: Path, protected: Set[str]) -> List[str]:
    found = [(each.name, _LEFT_BEHIND.fullmatch(each.name)) for each in folder.iterdir()]
    return sorted(name for name, match in found if match and match["id"] not in protected)


def remove_releases(app_path: Path, removed: Sequence[str], swept: Sequence[str]) -> None:
    """Remove release folders; each is renamed first, so that half of one is never taken for a release."""
    folder = app_path / "releases"
    for release_id in removed:
        gone = folder / f".{release_id}.removed"
        tree_copy.remove(gone)
        os.rename(str(folder / release_id), str(gone))
        files.sync(folder)
        tree_copy.remove(gone)
        with contextlib.suppress(FileNotFoundError):
            (folder / f".{release_id}.json").unlink()
    for name in swept:
        tree_copy.remove(folder / name)


def plan_in_place(run: Run, app_path: Path, records: Records, keep: int) -> Dict[str, List[str]]:
    """Return `{kept, removed, swept}` of what the releases of a checkout have left in its git directory."""
    folder = git.folder_of(run, app_path) / "greenlight"
    ids = [each.name for each in folder.iterdir() if is_release_id(each.name)] if folder.is_dir() else []
    removed = choose(ids, needed_by_records(records, "")[0], keep)
    return {"kept": sorted(set(ids) - set(removed)), "removed": removed, "swept": []}


def remove_in_place(run: Run, app_path: Path, removed: Sequence[str]) -> None:
    """Remove stages and old built paths, and let git drop commits that only they needed."""
    folder = git.folder_of(run, app_path) / "greenlight"
    for release_id in removed:
        for name in ("from", "to"):
            ref = f"{in_place.KEEP}/{release_id}/{name}"
            git.demand(run(["update-ref", "-d", ref]), f"Cannot remove {ref} from {app_path}")
        tree_copy.remove(folder / release_id)
        # A run that was killed while it built has left it.
        build_place.remove_working_folder(app_path, release_id)


def describe(planned: Dict[str, List[str]]) -> Dict[str, Any]:
    """Return what is kept and what goes as the result of a module, with the diff."""
    gone = [*planned["removed"], *planned["swept"]]
    before = "".join(f"{name}\n" for name in sorted([*planned["kept"], *gone]))
    after = "".join(f"{name}\n" for name in planned["kept"])
    return {"changed": bool(gone), **planned, "diff": {"before": before, "after": after}}
