# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout releases: a bare repository, one folder a release, and the symbolic link `current` to the one that runs.

``<app_path>/{repository, releases/<release id>/REVISION, shared, current -> releases/<release id>}``. What is current
is what the link says, never the newest folder. Before the link is moved, ``releases/.<release id>.json`` notes where it
led, so that a rollback does not depend on the order of folders or of clocks.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Optional

from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.move import (
    Move,
    read_plan,
    write_plan,
)
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_release_id


def release_of(app_path: Path, release_id: str) -> Path:
    return app_path / "releases" / release_id


def plan_of(move: Move) -> Path:
    return move.app_path / "releases" / f".{move.release_id}.json"


def current(app_path: Path) -> Optional[str]:
    """Return the id of the release that `current` leads to, None when there is no link.

    Raises GitError for a link that leads anywhere else, and for anything in its place.
    """
    link = app_path / "current"
    if not os.path.lexists(str(link)):
        return None
    if not link.is_symlink():
        raise GitError(f"{link} is no symbolic link; make it one to a folder in {app_path / 'releases'}")
    target, releases = app_path / os.readlink(str(link)), app_path / "releases"
    if os.path.realpath(str(target.parent)) != os.path.realpath(str(releases)) or not is_release_id(target.name):
        raise GitError(f"{link} leads to {target}, which is no release; make it lead to a folder in {releases}")
    return target.name


def revision_of(app_path: Path, release_id: str) -> str:
    """Return the commit that a release folder holds. Raises GitError when the folder is not a whole release."""
    folder = release_of(app_path, release_id)
    if folder.is_symlink() or not folder.is_dir():
        raise GitError(f"The release folder {folder} is gone; deploy another release")
    try:
        return (folder / "REVISION").read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise GitError(
            f"{folder} has no readable file REVISION, so it is not a whole release; deploy another"
        ) from error


def head(app_path: Path) -> str:
    release_id = current(app_path)
    if release_id is None:
        raise GitError(f"{app_path / 'current'} does not exist; make it lead to the release that runs")
    return revision_of(app_path, release_id)


def check_forward(move: Move) -> None:
    _demand_revision(move, move.release_id, move.to_sha)
    current(move.app_path)


def _demand_revision(move: Move, release_id: str, sha: str) -> None:
    found = revision_of(move.app_path, release_id)
    if found != sha:
        raise GitError(f"{release_of(move.app_path, release_id)} holds {found}, not {sha}; deploy another release")


def forward(move: Move) -> None:
    """Make `current` lead to the new release, in one step that everybody sees whole."""
    check_forward(move)
    running = current(move.app_path)
    if running == move.release_id:
        return
    write_plan(plan_of(move), {"from": move.from_sha, "to": move.to_sha, "previous": running})
    _point(move, move.release_id)


def _point(move: Move, release_id: str) -> None:
    partial = move.app_path / f".current.{move.release_id}.partial"
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    partial.symlink_to(Path("releases") / release_id)
    os.replace(str(partial), str(move.app_path / "current"))
    files.sync(move.app_path)


def check_back(move: Move) -> None:
    """Raise GitError when the release before this one is gone, or never was."""
    running = current(move.app_path)
    if running is None:
        raise GitError(f"{move.app_path / 'current'} does not exist; make it lead to the release that is to run")
    _demand_revision(move, _previous(move) if running == move.release_id else running, move.from_sha)


def _previous(move: Move) -> str:
    plan = read_plan(plan_of(move)) or {}
    previous = plan.get("previous")
    if not isinstance(previous, str) or not is_release_id(previous):
        raise GitError(f"Nothing is noted in {plan_of(move)} of a release before {move.release_id}; deploy another one")
    return previous


def back(move: Move) -> None:
    """Make `current` lead to the release that it led to before, unless it does not lead to the new one."""
    check_back(move)
    if current(move.app_path) == move.release_id:
        _point(move, _previous(move))
