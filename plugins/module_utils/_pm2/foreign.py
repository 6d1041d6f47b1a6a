# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code of another user that root would run: whoever can change it can become root."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Iterable, List

from ansible_collections.greenlight.release.plugins.module_utils._host.trust import name_of_user
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import dump
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Request, State


def foreign_places(code: Path) -> List[Path]:
    """Return where another user than root can change a file of code: the file, a folder above it, a link on the way."""
    paths = [code.absolute(), code.resolve()] if code.exists() else []
    places = dict.fromkeys(place for path in paths for place in (path, *path.parents))
    return [place for place in places if _owner(place) != 0 or _is_open(place)]


def _owner(place: Path) -> int:
    return place.lstat().st_uid


def _is_open(place: Path) -> bool:
    """Say whether others than its owner can write to a file, or change any name in a folder."""
    status = place.lstat()
    if stat.S_ISLNK(status.st_mode) or status.st_mode & stat.S_ISVTX:
        return False
    return bool(status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0))


def _describe(place: Path) -> str:
    """Say by whom a place can be changed."""
    owner = _owner(place)
    return f"{place} belongs to {name_of_user(owner)}, who" if owner else f"others can write to {place} and"


def refuse(name: str, code: Iterable[Path], uid: int, allow_root: bool) -> None:
    """Raise PM2Error where root would run code for a process that another user can change."""
    for file in code if uid == 0 and not allow_root else ():
        for place in foreign_places(file):
            user = name_of_user(_owner(place))
            become = f"run as that user (become_user: {user}, in the roles greenlight_app_user)"
            remedy = become if _owner(place) else "chmod it to 0755"
            raise PM2Error(
                f"{name} would run {file} as root, but {_describe(place)} could so become root; {remedy}, or set "
                "allow_root of pm2_process"
            )


def warnings(name: str, code: Path) -> List[str]:
    """Return what to tell an operator who let root run code that another user can change."""
    return [f"{name} runs {code} as root; {_describe(place)} can so become root" for place in foreign_places(code)[:1]]


def code_of(request: Request, before: State, home: Path) -> List[Path]:
    """Return the scripts that would run: the wanted one, or those that run, or those that PM2 had saved."""
    wanted = request.config.kept.get("pm_exec_path") if request.config else None
    running = [each.script for each in before.instances]
    saved = [each.get("pm_exec_path") for each in dump.saved_as(home, request.name)] if not running else []
    return [Path(str(script)) for script in ([wanted] if wanted else running or saved) if script]
