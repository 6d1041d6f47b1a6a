# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files of package managers: the one of the app, what installs it, and those that changed and nobody installs."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Dict, List, Optional, Sequence

# The greenlight_install_command that leaves the choice to the lock file.
AUTO = ("auto",)
# The first that lies in a folder counts.
MANAGERS = {
    "npm-shrinkwrap.json": "npm",
    "package-lock.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
# Frozen, so that what is installed is what was tested.
_INSTALL: Dict[str, List[str]] = {
    "npm": ["npm", "ci"],
    "pnpm": ["pnpm", "install", "--frozen-lockfile"],
    "yarn": ["yarn", "install", "--frozen-lockfile"],
    "bun": ["bun", "install", "--frozen-lockfile"],
}
_FOR_PRODUCTION = {"npm": ["--omit=dev", "--no-audit", "--no-fund"], "pnpm": ["--prod"], "bun": ["--production"]}
_FOR_A_BUILD = {"npm": ["--include=dev", "--no-audit", "--no-fund"], "pnpm": ["--prod=false"]}
_VERBS = ("ci", "clean-install", "install", "i")
# With these words an install is for another folder than the one it runs in.
_ELSEWHERE = ("--prefix", "--cwd", "--dir", "-C", "-w", "--workspace", "-g", "--global")


def is_lock(path: str) -> bool:
    """Say whether a path is a lock file that could be installed; those in installed packages are not."""
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[-1] in MANAGERS and "node_modules" not in parts


def installable(paths: Sequence[str]) -> List[str]:
    """Return the lock files of a revision, without those beside packages that are a part of it."""
    kept = {path.partition("node_modules/")[0].rstrip("/") for path in paths if "node_modules/" in path}
    return [path for path in paths if is_lock(path) and folder_of(path) not in kept]


def nearest(lock_files: Sequence[str], folder: str) -> Optional[str]:
    """Return the lock file that the app in a folder of the repository uses: that of the folder, or of one above it."""
    known = set(lock_files)
    place = PurePosixPath(folder)
    for above in (place, *place.parents):
        for name in MANAGERS:
            if str(above / name) in known:
                return str(above / name)
    return None


def folder_of(path: str) -> str:
    """Return the folder of a path in the repository, empty for the repository itself."""
    return path.rpartition("/")[0]


def install_words(lock: str, builds: bool) -> List[str]:
    """Return the command that installs a lock file; a build needs what is only for developers, too."""
    manager = MANAGERS[PurePosixPath(lock).name]
    more = (_FOR_A_BUILD if builds else _FOR_PRODUCTION).get(manager, [])
    words = [*_INSTALL[manager], *more]
    # Yarn has no word for this that all of its versions take.
    return ["env", "NODE_ENV=development", *words] if builds and manager == "yarn" else words


def installs_here(words: Sequence[str]) -> bool:
    """Say whether a command makes the node_modules of the folder that it runs in, so that an old one is not needed."""
    given = list(words[2:] if words[:1] == ["env"] else words)
    if any(word.partition("=")[0] in _ELSEWHERE for word in given):
        return False
    verb = given[1] if len(given) > 1 else "install"
    return bool(given) and given[0] in MANAGERS.values() and verb in _VERBS


def not_installed(changed_paths: Sequence[str], installed: Sequence[str]) -> List[str]:
    """Return what to warn of: changed lock files that no command of the release installs."""
    return [
        f"{path} changed, and no command installs it; set greenlight_app_subfolder to its folder where the app runs "
        "from there, or give greenlight_on_change a rule for it"
        for path in changed_paths
        if is_lock(path) and path not in installed
    ]


def folder_of_process(app_path: str, script: str, cwd: str) -> str:
    """Return the folder in the repository that a process runs from, empty where it cannot be seen.

    In the layout releases a tree lies in `current` or in `releases/<id>`.
    """
    for place in (PurePosixPath(script).parent, PurePosixPath(cwd)):
        try:
            parts = place.relative_to(app_path).parts
        except ValueError:
            continue
        skipped = {"current": 1, "releases": 2}.get(parts[0], 0) if parts else 0
        return "/".join(parts[skipped:])
    return ""
