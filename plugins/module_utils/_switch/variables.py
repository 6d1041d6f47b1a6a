# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables of the commands of a release: those that the app runs with, so that they find what it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._host.files import explain
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._values import dotenv, redaction

# Variables of the shell that are called like passwords, and hold folders.
_FOLDERS = ("PWD", "OLDPWD")


def of_the_app(
    processes: Sequence[Mapping[str, Any]], name: str, own: Mapping[str, str], folders: Iterable[Path], sha: str
) -> Dict[str, str]:
    """Return the variables of this run, over them those of the `.env` files in the folders, and those that PM2 gives.

    So it is in the app: what PM2 gives it is not replaced by a file. Raises CommandError.
    """
    settings: Dict[str, str] = {}
    for folder in folders:
        settings.update(_read(folder / ".env"))
    running = pm2.variables_of(processes, name, own.get("PATH", ""))
    return {**own, **settings, **running, "GREENLIGHT_REVISION": sha}


def hiding(environment: Mapping[str, str]) -> Callable[[str], str]:
    """Return what takes the secrets among variables out of a text."""
    secrets = {text for name, text in environment.items() if redaction.names_secret(name) and name not in _FOLDERS}
    return lambda text: pm2.hide(text, secrets)


def settings_folders(root: Path, subfolder: str) -> List[Path]:
    """Return the folders of the running tree in which the app may have a `.env` file; the nearest is the last."""
    return list(dict.fromkeys([root, root / subfolder]))


def _read(path: Path) -> Dict[str, str]:
    # A folder of this name is an environment of Python.
    if not path.is_file():
        return {}
    try:
        return dotenv.parse(path.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise CommandError(f"The settings of the app in {path} cannot be read: {explain(error)}") from error
