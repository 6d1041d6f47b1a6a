# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an app's code lies on a host, and how it moves between two revisions: the same four verbs for both layouts.

Every function may be called again after an interruption: forward completes the move, back undoes it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, List, Optional

from ansible_collections.greenlight.release.plugins.module_utils._code import aside
from ansible_collections.greenlight.release.plugins.module_utils._code import in_place as code_in_place
from ansible_collections.greenlight.release.plugins.module_utils._code import releases as code_releases
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run
from ansible_collections.greenlight.release.plugins.module_utils._code.move import KINDS, Move, check_move
from ansible_collections.greenlight.release.plugins.module_utils._host.files import explain

__all__ = [
    "KINDS",
    "Move",
    "back",
    "check_back",
    "check_forward",
    "forward",
    "head",
    "put_aside",
    "refuse_database",
    "repository_of",
    "stage_path",
]


def repository_of(kind: str, app_path: Path) -> Path:
    """Return the folder in which git is to run for an app."""
    return app_path / "repository" if kind == "releases" else app_path


def stage_path(run: Run, move: Move) -> Path:
    """Return where the tree of the new revision is made ready, on the filesystem where it will be used."""
    check_move(move)
    if move.kind == "releases":
        return code_releases.release_of(move.app_path, move.release_id)
    return code_in_place.folder_of(run, move) / "new"


def root_of(move: Move) -> Path:
    """Return the folder in which PM2 runs the app."""
    return move.app_path / "current" if move.kind == "releases" else move.app_path


def head(run: Run, kind: str, app_path: Path) -> str:
    """Return the full SHA that is in place now."""
    return code_releases.head(app_path) if kind == "releases" else code_in_place.head(run, app_path)


def check_forward(run: Run, move: Move) -> None:
    """Raise GitError when the move cannot be made, before anything is stopped."""
    _do(move, lambda: code_in_place.check_forward(run, move), lambda: code_releases.check_forward(move))


def refuse_database(run: Run, move: Move, database: Path) -> None:
    """Raise GitError for a database that a checkout would replace, since git has it."""
    if move.kind == "in_place":
        code_in_place.refuse_database(run, move, database)


def forward(run: Run, move: Move) -> List[str]:
    """Put the new revision in place, and return what somebody should know. Raises GitError."""
    return _do(move, lambda: code_in_place.forward(run, move), lambda: code_releases.forward(move))


def check_back(run: Run, move: Move) -> None:
    """Raise GitError when a rollback cannot work, before anything is stopped."""
    _do(move, lambda: code_in_place.check_back(run, move), lambda: code_releases.check_back(move))


def back(run: Run, move: Move) -> List[str]:
    """Roll back to the old revision, also after an interrupted move in either direction. Raises GitError.

    What was changed meanwhile and git does not have is put aside; return what somebody should know.
    """
    return _do(move, lambda: code_in_place.back(run, move), lambda: code_releases.back(move))


def put_aside(run: Run, move: Move) -> List[str]:
    """Return the folders of what the moves of a release have put aside. Raises GitError."""
    found = aside.folders_of(run, move.app_path, move.release_id) if move.kind == "in_place" else []
    return [str(folder) for folder in found]


def _do(
    move: Move, in_place: Callable[[], Optional[List[str]]], releases: Callable[[], Optional[List[str]]]
) -> List[str]:
    check_move(move)
    try:
        return (releases if move.kind == "releases" else in_place)() or []
    except OSError as error:
        raise GitError(f"The code in {move.app_path} cannot be moved: {explain(error)}") from error
