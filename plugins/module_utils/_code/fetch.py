# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A commit, fetched without switching to it and compared with the running one, in both layouts, with its rehearsal.

A rehearsal fetches to a temporary repository that borrows the objects of the real one, which stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import (
    aside,
    checkout,
    git,
    layout,
    lfs,
    releases,
    running,
    submodule_move,
    submodules,
)
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run
from ansible_collections.greenlight.release.plugins.module_utils._values import lock_files


@dataclass(frozen=True)
class Place:
    """Where to fetch: `make_run` returns git for a folder, `rehearse_in` is a folder that may be made.

    With `keeps_changes` local changes are no reason to refuse. `began` are the processes of the app, None where nobody
    asks what they run, and `kept` the ends of releases that restarted none of them.
    Where nothing was released yet (`first`), a checkout that is not there is made, and all of the commit is new.
    """

    kind: str
    app_path: Path
    make_run: Callable[[Path], Run]
    rehearse_in: Optional[Path] = None
    keeps_changes: bool = False
    began: Optional[Sequence[running.Began]] = None
    kept: Sequence[Sequence[str]] = ()
    first: bool = False

    @property
    def is_empty(self) -> bool:
        """Say whether the app has no code at all, as before its first release."""
        if self.kind == "releases":
            return not (layout.repository_of(self.kind, self.app_path) / "HEAD").is_file()
        return self.first and not (self.app_path.is_dir() and any(self.app_path.iterdir()))


def fetch(place: Place, repository: str, sha: str) -> Dict[str, Any]:
    """Fetch a commit unless it is there, and return the module's result. Raises GitError, OSError."""
    folder = layout.repository_of(place.kind, place.app_path)
    is_empty = place.is_empty
    head, branch = _look(place)
    in_place = place.kind == "in_place" and not is_empty
    told = aside.prune(place.make_run(folder), place.app_path) if in_place and not place.rehearse_in else []
    if is_empty:
        folder = place.rehearse_in or folder
        _create(place, folder)
    run = place.make_run(folder)
    present = git.has_commit(run, sha)
    objects = run if present else _rehearse(place, run, folder)
    if not present:
        git.fetch(objects, repository, sha)
    lfs.fetch(objects, repository, sha, check_mode=place.rehearse_in is not None)
    rehearse = _rehearse_submodule(place) if place.rehearse_in else None
    changed = submodules.fetch(objects, run, folder, repository, sha, rehearse) or not present
    paths = [each.path for each in git.files_of(objects, sha)]
    if in_place:
        if head:
            submodule_move.check(objects, run, place.app_path, head, sha)
        checkout.refuse_in_the_way(run, place.app_path, paths, sha)
    compared, warnings = _compare(place, objects, head, sha, paths)
    # What is installed or built because of a file may lie in a submodule.
    more = submodules.changed_files(objects, run, folder, compared["from_revision"], sha)
    compared["changed_paths"] = [*compared["changed_paths"], *more]
    inner = [each.path for each in submodules.known_entries_of(objects, run, folder, sha)]
    locks = lock_files.installable([*paths, *inner])
    told = [*told, *warnings]
    fetched = {"changed": changed, "sha": sha, "head": head, "branch": branch, **compared, "lock_files": locks}
    return {**fetched, "warnings": told} if told else fetched


def _compare(place: Place, run: Run, head: str, sha: str, paths: List[str]) -> Tuple[Dict[str, Any], List[str]]:
    """Return what differs between what runs and the commit, and what to warn of.

    What runs counts more than what is in place where that is the wanted commit already: its app has still to be
    restarted, and a rollback returns to what ran.
    """
    if not head:
        first = {"changed_paths": paths, "commits": [], "commit_count": 0, "forced": False}
        return {**first, "from_revision": "", "runs_already": False}, []
    runs = running.Running(head)
    if place.began is not None:
        runs = running.find(run, place.kind, place.app_path, head, place.began, place.kept)
    is_in_place = head == sha
    # A rollback of the other layout returns to the folder that `current` led to.
    may_return = is_in_place and place.kind == "in_place" and bool(runs.revision)
    old = runs.revision if may_return and git.has_commit(run, runs.revision) else head
    compared = git.compare(run, old, sha)
    known = {"from_revision": old, "runs_already": is_in_place and runs.revision == head}
    # That nothing runs is said by the baseline, unless somebody could take it for released.
    is_told = runs.told and (is_in_place or bool(place.began))
    return {**compared, **known}, [runs.told] if is_told else []


def _look(place: Place) -> Tuple[str, str]:
    """Return the commit in place, empty for none, and the branch. Raises GitError for what cannot be moved."""
    if place.kind == "in_place":
        if place.is_empty:
            return "", ""
        run = place.make_run(place.app_path)
        status = checkout.read_status(run, place.app_path)
        checkout.refuse_unfinished(run, place.app_path, status, place.keeps_changes)
        return "" if place.first else status.head, status.branch
    if not place.app_path.is_dir():
        raise GitError(f"{place.app_path} is not a folder; create it for the user who runs the app")
    git.refuse_foreign(place.app_path)
    has_current = releases.current(place.app_path) and not place.first
    return (releases.head(place.app_path) if has_current else ""), ""


def _create(place: Place, folder: Path) -> None:
    what = f"Cannot create the repository {folder}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    kind = [] if folder == place.app_path else ["--bare"]
    git.demand(place.make_run(folder.parent)(["init", "--quiet", *kind, str(folder)]), what)


def _rehearse_submodule(place: Place) -> submodules.Rehearse:
    """Return what makes a repository for the commit of a submodule in the folder of a rehearsal."""

    def make(submodule: submodules.Submodule) -> Run:
        folder = Path(f"{place.rehearse_in}-{submodule.name.replace('/', '-')}")
        _create(place, folder)
        return place.make_run(folder)

    return make


def _rehearse(place: Place, run: Run, folder: Path) -> Run:
    """Return git where the commit may be fetched to."""
    temporary = place.rehearse_in
    if temporary is None or folder == temporary:
        return run
    temporary.mkdir(mode=0o700)
    there = place.make_run(temporary)
    git.lend_objects(run, folder, temporary, there)
    return there
