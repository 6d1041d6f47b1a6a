# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One move of an app's code from a revision to another: what it is, and the small steps that both layouts take.

A move keeps its plan in a file next to the code. It is written before the first step, and shows which
steps were done, so that a move that was killed can be completed or undone later.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_release_id, is_sha

KINDS = ("in_place", "releases")

MovePlan = Dict[str, Any]


@dataclass(frozen=True)
class Move:
    """What moves where. Paths of built and shared files are relative to the tree of a revision.

    With `keeps_changes` local changes of a checkout are put aside, and else they are refused.
    """

    kind: str
    app_path: Path
    release_id: str
    from_sha: str
    to_sha: str
    built_paths: Tuple[str, ...] = ()
    shared_paths: Tuple[str, ...] = ()
    keeps_changes: bool = False


def check_move(move: Move) -> None:
    """Raise GitError when a move cannot be meant as it is written."""
    if move.kind not in KINDS:
        raise GitError(f"The layout must be one of {', '.join(KINDS)}, not {move.kind!r}")
    if not move.app_path.is_absolute():
        raise GitError(f"The path of the app must be absolute, not {str(move.app_path)!r}")
    if not is_release_id(move.release_id):
        raise GitError(f"The release id must look like 20260219T020000Z-0639294c, not {move.release_id!r}")
    for sha in (move.from_sha, move.to_sha):
        if not is_sha(sha):
            raise GitError(f"A revision must be a full commit SHA in lower case, not {sha!r}")
    check_paths("built", move.built_paths)
    check_paths("shared", move.shared_paths)
    check_paths("built and shared", (*move.built_paths, *move.shared_paths))


def check_paths(what: str, paths: Sequence[str]) -> None:
    """Raise GitError for paths that lead out of the tree, are git's own, or lie in each other."""
    for path in paths:
        parts = PurePosixPath(path).parts
        if not parts or str(PurePosixPath(path)) != path or parts[0] in ("/", ".git") or ".." in parts or "\0" in path:
            raise GitError(
                f"A {what} path must be relative to the app and lie in it, such as node_modules, not {path!r}"
            )
    for path in paths:
        around = [other for other in paths if other != path and PurePosixPath(other) in PurePosixPath(path).parents]
        if around or paths.count(path) > 1:
            raise GitError(f"The {what} path {path!r} is given twice, or lies in another one; give the outer one once")


def lies_free(root: Path, path: str) -> bool:
    """Say whether no folder between `root` and a path below it is a symbolic link or a file."""
    between = [root.joinpath(*PurePosixPath(path).parts[:depth]) for depth in range(1, len(PurePosixPath(path).parts))]
    return all(not os.path.lexists(str(each)) or (each.is_dir() and not each.is_symlink()) for each in between)


def read_plan(file: Path) -> Optional[MovePlan]:
    """Return the plan of a move, None when it has not begun. Raises GitError for a file that is no plan."""
    try:
        plan = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise GitError(f"{file} cannot be read as the plan of a move: {error}; find out what changed it") from error
    if not isinstance(plan, dict):
        raise GitError(f"{file} is not the plan of a move; find out what changed it")
    return plan


def write_plan(file: Path, plan: MovePlan) -> None:
    """Write a plan so that a crash leaves it whole or leaves none."""
    files.write_whole(file, json.dumps(plan, sort_keys=True) + "\n")


def rename(source: Path, target: Path) -> None:
    """Rename within a filesystem, and wait until both names are on the disk."""
    os.rename(str(source), str(target))
    files.sync(target.parent)
    files.sync(source.parent)
