# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Code of another user that root would run: whoever can change it can become root."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, List

from ansible_collections.greenlight.release.plugins.module_utils._host import trust
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import dump, process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Request, State


def foreign_places(code: Path) -> List[Path]:
    """Return where another user than root can change a file of code: the file, a folder above it, a link on the way."""
    paths = [code.absolute(), code.resolve()] if code.exists() else []
    places = dict.fromkeys(place for path in paths for place in (path, *path.parents))
    return [place for place in places if trust.describe_changer(place)]


def refuse(name: str, code: Iterable[Path], uid: int, allow_root: bool) -> None:
    """Raise PM2Error where root would run code for a process that another user can change."""
    for file in code if uid == 0 and not allow_root else ():
        for place in foreign_places(file):
            owner, who = trust.owner_of_place(place), trust.describe_changer(place)
            become = f"run as that user (become_user: {trust.name_of_user(owner)}, in the roles greenlight_app_user)"
            remedy = become if owner else "chmod it to 0755"
            raise PM2Error(
                f"{name} would run {file} as root, but {who} could so become root; {remedy}, or set "
                "allow_root of pm2_process"
            )


def warnings(name: str, code: Path) -> List[str]:
    """Return what to tell an operator who let root run code that another user can change."""
    changers = [trust.describe_changer(place) for place in foreign_places(code)[:1]]
    return [f"{name} runs {code} as root; {who} can so become root" for who in changers]


def code_of(request: Request, before: State, home: Path) -> List[Path]:
    """Return what would run: the wanted script, or those that run, or those that PM2 had saved.

    A program such as npm runs what lies in its working folder.
    """
    wanted = request.config.kept.get("pm_exec_path") if request.config else None
    running = [path for each in before.instances for path in dict.fromkeys((each.script, process.code_of(each)))]
    saved = [each.get("pm_exec_path") for each in dump.saved_as(home, request.name)] if not running else []
    return [Path(str(script)) for script in ([wanted] if wanted else running or saved) if script]
