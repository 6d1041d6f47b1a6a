# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout in_place: one git checkout, in which a commit is checked out and built paths are swapped by rename.

``<git dir>/greenlight/<release id>/`` holds new (the staged tree), old (the built paths that were replaced), and the
plan. It lies on the filesystem of the checkout, so that a built path of any size moves at once. A built path is in one
of these states. Where it exists shows which, also after a killed move:

========  ======  ======  ===========================================
checkout  new     old     state
========  ======  ======  ===========================================
old one   yes     no      not begun
no        yes     yes     the old one is put away
new one   no      yes     moved
========  ======  ======  ===========================================

A path that did not exist before has no old one, which the plan says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._code import (
    checkout,
    git,
    space,
    submodule_move,
    submodules,
    unmoved,
)
from ansible_collections.greenlight.release.plugins.module_utils._code.aside import Aside
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run
from ansible_collections.greenlight.release.plugins.module_utils._code.move import (
    Move,
    lies_free,
    read_plan,
    rename,
    write_plan,
)

KEEP = "refs/greenlight/keep"
_ASIDE = "refs/greenlight/aside"


def folder_of(run: Run, move: Move) -> Path:
    """Return the folder in the git directory that belongs to a release."""
    return git.folder_of(run, move.app_path) / "greenlight" / move.release_id


def head(run: Run, path: Path) -> str:
    return git.demand(run(["rev-parse", "--verify", "HEAD^{commit}"]), f"Cannot inspect {path}").strip()


def check_forward(run: Run, move: Move) -> None:
    """Raise GitError when the move cannot be made, or the disk has no room for it, before anything is touched."""
    for sha in (move.from_sha, move.to_sha):
        if not git.has_commit(run, sha):
            raise GitError(f"{move.app_path} does not have the commit {sha}; fetch it first")
        _refuse_tracked(run, move, sha)
    submodule_move.check_fetched(run, move.app_path, move.to_sha)
    _check_tree(run, move)
    space.refuse_no_room(run, move.app_path, move.from_sha, move.to_sha)
    folder = folder_of(run, move)
    if read_plan(folder / "plan.json") is None:
        files = [*git.files_of(run, move.to_sha), *submodules.entries_of(run, move.app_path, move.to_sha)]
        unmoved.refuse_unmoved(folder / "new", [each.path for each in files], move.built_paths)


def _check_tree(run: Run, move: Move) -> None:
    """Raise GitError for what somebody may have changed in the checkout, also since it was checked."""
    folder = folder_of(run, move)
    for name in move.built_paths:
        _refuse_immovable(folder, move.app_path, name)
    if read_plan(folder / "plan.json") is None:
        status = checkout.read_status(run, move.app_path)
        checkout.refuse_unfinished(run, move.app_path, status, move.keeps_changes)
        if status.head not in (move.from_sha, move.to_sha):
            raise GitError(
                f"{move.app_path} is at {status.head}, not at {move.from_sha}; it was moved by hand, start again"
            )
        submodule_move.check(run, run, move.app_path, status.head, move.to_sha)


def _refuse_tracked(run: Run, move: Move, sha: str) -> None:
    if move.built_paths:
        found = git.demand(run(["ls-tree", "--name-only", "-z", sha, "--", *move.built_paths]), f"Cannot read {sha}")
        if found:
            name = found.split("\0")[0]
            raise GitError(f"The built path {name} is a part of {sha}; only what git ignores can be built")


def refuse_database(run: Run, move: Move, database: Path) -> None:
    """Raise GitError for a database that a commit of the move has: the checkout would replace or remove it."""
    real, root = Path(os.path.realpath(str(database))), Path(os.path.realpath(str(move.app_path)))
    if root not in real.parents:
        return
    names = [f"{real.relative_to(root)}{ending}" for ending in ("", "-wal", "-journal")]
    for sha in (move.from_sha, move.to_sha):
        listed = run(["--literal-pathspecs", "ls-tree", "-r", "--name-only", "-z", sha, "--", *names])
        found = git.demand(listed, f"Cannot read {sha}").split("\0")[0]
        # A submodule of the old revision may never have been fetched.
        known = submodules.known_entries_of(run, run, move.app_path, sha)
        found = next((each.path for each in known if each.path in names), "" if found in _links(run, sha) else found)
        if found:
            raise GitError(
                f"{found} is a part of {sha}, so a checkout would replace the database {real}; move the database "
                f"out of {move.app_path}, and tell the app where it is"
            )


def _links(run: Run, sha: str) -> Sequence[str]:
    return [each.path for each in submodules.submodules_of(run, sha)]


def _refuse_immovable(folder: Path, app_path: Path, name: str) -> None:
    place = app_path / name
    for root in (app_path, folder / "new", folder / "old"):
        if not lies_free(root, name):
            raise GitError(f"A folder above {root / name} is a link or a file; built paths need plain folders")
    if not os.path.lexists(str(folder / "new" / name)):
        return
    device = (folder / "new" / name).lstat().st_dev
    nearest = place if os.path.lexists(str(place)) else app_path
    if os.path.ismount(str(place)) or nearest.lstat().st_dev != device:
        raise GitError(f"{place} is a mount of its own, so it cannot be renamed; take it out of the built paths")


def forward(run: Run, move: Move) -> List[str]:
    """Check the new commit out and swap the built paths that the stage holds. Return what somebody should know.

    What `check_forward` knows of the commits is not asked again: users wait.
    """
    _check_tree(run, move)
    folder, kept = folder_of(run, move), Aside()
    notes, again = _keep_commits(run, move), read_plan(folder / "plan.json") is not None
    if not again:
        if move.keeps_changes:
            kept = checkout.clear_changes(run, move.app_path, move.release_id)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        staged = [name for name in move.built_paths if os.path.lexists(str(folder / "new" / name))]
        had = {name: os.path.lexists(str(move.app_path / name)) for name in staged}
        aside = str(kept.folder) if kept.folder else ""
        plan = {"from": move.from_sha, "to": move.to_sha, "swapped": had, "aside": aside}
        plan["modules"] = submodule_move.heads(run, move.app_path, move.from_sha)
        write_plan(folder / "plan.json", plan)
    else:
        kept = checkout.recover(run, move.app_path, move.from_sha, move.to_sha, owner=move.release_id)
    checkout.check_out(run, move.app_path, move.to_sha)
    notes += submodule_move.forward(run, move, _modules(folder), again)
    for name in _swapped(folder):
        _swap(folder, move.app_path, name)
    return notes + kept.notes(move.app_path)


def _keep_commits(run: Run, move: Move) -> List[str]:
    """Name both commits, so that git keeps them although a branch was rewritten: refs/greenlight/keep/<release>/...

    Those names go with the release. Commits that were made on the server keep a name for good; return a note.
    """
    for name, sha in (("from", move.from_sha), ("to", move.to_sha)):
        ref = f"{KEEP}/{move.release_id}/{name}"
        git.demand(run(["update-ref", ref, sha]), f"Cannot keep {sha} in {move.app_path}")
    fetched = ["--glob=refs/greenlight/heads", "--glob=refs/greenlight/tags", "--remotes"]
    listed = run(["rev-list", "--count", move.from_sha, "--not", move.to_sha, *fetched])
    count = int(git.demand(listed, f"Cannot list {move.from_sha}"))
    if not count:
        return []
    ref = f"{_ASIDE}/{move.from_sha}"
    git.demand(run(["update-ref", ref, move.from_sha]), f"Cannot keep {move.from_sha} in {move.app_path}")
    were = "1 commit was" if count == 1 else f"{count} commits were"
    return [
        f"{move.from_sha} in {move.app_path} is in no branch or tag that was fetched: {were} made there, or taken "
        f"out of {'its' if count == 1 else 'their'} branch. It is kept as {ref}"
    ]


def _modules(folder: Path) -> Dict[str, str]:
    """Return the commits that the submodules are moved from."""
    return dict((read_plan(folder / "plan.json") or {}).get("modules") or {})


def _swapped(folder: Path) -> List[str]:
    return sorted((read_plan(folder / "plan.json") or {"swapped": {}})["swapped"])


def _swap(folder: Path, app_path: Path, name: str) -> None:
    new, old, place = folder / "new" / name, folder / "old" / name, app_path / name
    if not os.path.lexists(str(new)):
        return
    if os.path.lexists(str(place)):
        if os.path.lexists(str(old)):
            _put_aside(folder, place, name)
        else:
            old.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            rename(place, old)
    place.parent.mkdir(parents=True, exist_ok=True)
    rename(new, place)


def _put_aside(folder: Path, place: Path, name: str) -> None:
    """Keep what somebody else made in the place of a path while it was being moved."""
    number = 1
    while os.path.lexists(str(folder / f"other-{number}" / name)):
        number += 1
    target = folder / f"other-{number}" / name
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    rename(place, target)


def check_back(run: Run, move: Move) -> None:
    """Raise GitError when a rollback is impossible. Local changes are no reason: they are kept."""
    _check_back(run, move)
    checkout.read_status(run, move.app_path)
    checkout.refuse_living_locks(run, move.app_path)


def _check_back(run: Run, move: Move) -> None:
    if not git.has_commit(run, move.from_sha):
        raise GitError(f"{move.app_path} does not have the commit {move.from_sha} any more; fetch it first")
    folder = folder_of(run, move)
    submodule_move.check_back(run, move.app_path, _modules(folder))
    plan = read_plan(folder / "plan.json") or {"swapped": {}}
    for name, existed in plan["swapped"].items():
        in_place = os.path.lexists(str(folder / "new" / name)) and os.path.lexists(str(move.app_path / name))
        if existed and not in_place and not os.path.lexists(str(folder / "old" / name)):
            raise GitError(f"{folder / 'old' / name} is gone, so {move.app_path / name} cannot be restored; rebuild it")


def back(run: Run, move: Move) -> List[str]:
    """Restore the built paths and the commit. The new built paths return to the stage.

    What git does not have is put aside, and local changes of other files are left; return what somebody should know.
    """
    _check_back(run, move)
    kept = checkout.recover(run, move.app_path, move.from_sha, move.to_sha, True, move.release_id)
    folder = folder_of(run, move)
    plan = read_plan(folder / "plan.json") or {"swapped": {}}
    for name, existed in sorted(plan["swapped"].items()):
        _swap_back(folder, move.app_path, name, existed)
    checkout.check_out(run, move.app_path, move.from_sha, kept.left)
    notes = submodule_move.back(run, move, _modules(folder)) if "modules" in plan else []
    aside = plan.get("aside")
    without = f"The local changes that the release put aside are in {aside}; {move.app_path} runs without them"
    return [*kept.notes(move.app_path), *notes, *([without] if aside else [])]


def _swap_back(folder: Path, app_path: Path, name: str, existed: bool) -> None:
    new, old, place = folder / "new" / name, folder / "old" / name, app_path / name
    if existed and not os.path.lexists(str(old)):
        return
    if os.path.lexists(str(place)):
        if not os.path.lexists(str(new)):
            new.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            rename(place, new)
        elif existed:
            _put_aside(folder, place, name)
    if existed:
        rename(old, place)
