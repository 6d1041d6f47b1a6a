# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is needed to build the tree of a revision while the old one runs, and everything that speaks against it.

Nothing is touched here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout, space, submodules, tree_copy
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Entry, GitError, Run
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.move import lies_free, read_plan
from ansible_collections.greenlight.release.plugins.module_utils._code.releases import current, release_of

# Files that only keep an otherwise empty folder in git.
_PLACEHOLDERS = (".gitkeep", ".keep", ".gitignore")


@dataclass(frozen=True)
class Wanted:
    """What to stage. `built_anew` are the built paths that a command is going to make, so that they are not copied."""

    move: Move
    built_anew: Tuple[str, ...] = ()
    databases: Sequence[Path] = ()


@dataclass(frozen=True)
class Planned:
    """The tree that is to be made at `path`, of `size` bytes; `done` says that it is there already."""

    path: Path
    done: bool
    running: Path
    carry_over: Tuple[str, ...]
    link: Tuple[str, ...]
    files: int
    size: int


def running_tree(move: Move) -> Path:
    """Return the folder of the code that runs now, which does not exist when nothing was released yet."""
    if move.kind == "in_place":
        return move.app_path
    return release_of(move.app_path, current(move.app_path) or "none")


def plan(run: Run, wanted: Wanted, may_lack_commit: bool = False) -> Planned:
    """Check everything without touching anything. Raises GitError, OSError.

    In check mode the commit may not be fetched yet; what it holds is not known then, and the rest is checked.
    """
    move = wanted.move
    path = layout.stage_path(run, move)
    unknown = [name for name in wanted.built_anew if name not in move.built_paths]
    if unknown:
        raise GitError(f"{unknown[0]!r} is to be rebuilt but is no built path; add it to the built paths")
    _refuse_places(move, path)
    for database in wanted.databases:
        _refuse_database(wanted.move, database)
    entries = _entries(run, move, may_lack_commit)
    _refuse_tracked(move, entries)
    running, done = running_tree(move), is_staged(move, path)
    carried = _to_carry(wanted, running)
    sizes = [each.size for each in entries]
    sizes += [size for name in carried for size in tree_copy.sizes(running / name)]
    needed = space.on_disk(sizes)
    if not done:
        space.refuse_full(move.app_path, needed, len(sizes))
    linked = move.shared_paths if move.kind == "releases" else ()
    return Planned(path, done, running, tuple(carried), linked, len(sizes), needed)


def _entries(run: Run, move: Move, may_lack_commit: bool) -> Sequence[Entry]:
    if git.has_commit(run, move.to_sha):
        return [*git.files_of(run, move.to_sha), *_entries_of_submodules(run, move, may_lack_commit)]
    if may_lack_commit:
        return []
    raise GitError(f"{move.app_path} does not have the commit {move.to_sha}; fetch it first")


def _entries_of_submodules(run: Run, move: Move, may_lack_commit: bool) -> Sequence[Entry]:
    path = layout.repository_of(move.kind, move.app_path)
    known = submodules.submodules_of(run, move.to_sha) if git.has_commit(run, move.to_sha) else ()
    if may_lack_commit and not all(submodules.has_commit(run, path, each) for each in known):
        return []
    return submodules.entries_of(run, path, move.to_sha)


def describe(planned: Planned, sha: str) -> Dict[str, Any]:
    """Return what is or was staged of a revision as the result of a module, with the diff."""
    lines = [f"revision: {sha}"]
    lines += [f"carried over: {name}" for name in planned.carry_over]
    lines += [f"linked: {name}" for name in planned.link]
    text = "".join(f"{line}\n" for line in lines)
    return {
        "changed": not planned.done,
        "path": str(planned.path),
        "carried_over": list(planned.carry_over),
        "linked": list(planned.link),
        "files": planned.files,
        "bytes": planned.size,
        "diff": {"before": text if planned.done else "", "after": text},
    }


def is_staged(move: Move, path: Path) -> bool:
    """Say whether the whole tree is there. Raises GitError when another one is, or when it is in use already."""
    if move.kind == "in_place" and read_plan(path.parent / "plan.json") is not None:
        raise GitError(f"Release {move.release_id} has been moved in place already; start a new release")
    if not path.is_dir():
        return False
    try:
        found = marker_of(move, path).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        found = "nothing that was staged"
    if found != move.to_sha:
        raise GitError(f"{path} holds {found}, not {move.to_sha}; start a new release")
    return True


def marker_of(move: Move, path: Path) -> Path:
    """Return the file that says which revision a staged tree holds."""
    return path / "REVISION" if move.kind == "releases" else path.parent / "staged"


def _refuse_places(move: Move, path: Path) -> None:
    """Refuse to write where somebody else, or a link that somebody planted, decides what is written to."""
    if not move.app_path.is_dir():
        raise GitError(f"{move.app_path} is not a folder; correct the path of the app")
    git.refuse_foreign(move.app_path)
    depth = 2 if move.kind == "releases" else 3
    for place in (path, *list(path.parents)[: depth - 1]):
        if os.path.lexists(str(place)) and (place.is_symlink() or not place.is_dir()):
            raise GitError(f"{place} is not a plain folder, and nothing is staged through links; move it away")


def _refuse_database(move: Move, database: Path) -> None:
    """Refuse a database that the next release would not see: it would begin with an empty one."""
    real = Path(os.path.realpath(str(database)))
    app_path = Path(os.path.realpath(str(move.app_path)))
    replaced = ["releases"] if move.kind == "releases" else [".git", *move.built_paths]
    for place in (app_path / name for name in replaced):
        if place == real or place in real.parents:
            raise GitError(f"The database {real} lies in {place}, which a release replaces; move it to another folder")


def _refuse_tracked(move: Move, entries: Sequence[Entry]) -> None:
    for name in move.built_paths:
        if _below(name, entries):
            raise GitError(f"The built path {name} is a part of {move.to_sha}; only what git ignores can be built")
    for name in move.shared_paths:
        if any(path == name or path.rpartition("/")[2] not in _PLACEHOLDERS for path in _below(name, entries)):
            raise GitError(f"The shared path {name} is a part of {move.to_sha}; share only what git does not track")
        if not (move.app_path / "shared" / name).exists():
            raise GitError(f"{move.app_path / 'shared' / name} does not exist; create it, then release again")
    if move.kind == "releases" and _below("REVISION", entries):
        raise GitError(f"{move.to_sha} has a file REVISION, where the layout notes the revision; rename it")


def _below(name: str, entries: Sequence[Entry]) -> List[str]:
    return [each.path for each in entries if each.path == name or each.path.startswith(f"{name}/")]


def _to_carry(wanted: Wanted, running: Path) -> List[str]:
    names = [name for name in wanted.move.built_paths if name not in wanted.built_anew]
    for name in names:
        if not lies_free(running, name):
            raise GitError(f"A folder above {running / name} is a link or a file; make it a plain folder")
    return [name for name in names if os.path.lexists(str(running / name))]
