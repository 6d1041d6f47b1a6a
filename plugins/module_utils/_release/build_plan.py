# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What installs and builds a revision: which commands, in which folders, and what they make anew."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release import changes
from ansible_collections.greenlight.release.plugins.module_utils._values import lock_files


@dataclass(frozen=True)
class Tree:
    """What is known of the new tree.

    `subfolder` is the folder in which commands run, and `lock` the lock file of the app.
    """

    subfolder: str = ""
    lock: Optional[str] = None


def tree_of(given: Mapping[str, Any], changed_paths: Sequence[str]) -> Tree:
    """Read what is known: app_path, subfolder, lock_files, and the processes of the app as PM2 runs them."""
    subfolder, known = str(given.get("subfolder") or "").strip("/"), given.get("lock_files")
    locks = [path for path in (changed_paths if known is None else known) if lock_files.is_lock(path)]
    folder = subfolder
    for process in () if subfolder else given.get("processes") or ():
        folder = folder or lock_files.folder_of_process(given["app_path"], process["script"], process["cwd"])
    return Tree(subfolder, lock_files.nearest(locks, folder))


def plan_changes(
    changed_paths: Sequence[str], rules: Any, app: str, tree: Tree, built_paths: Sequence[str], **settings: Any
) -> Dict[str, Any]:
    """Return what `changes.plan_changes` returns, with build, built_paths, built_anew and warnings.

    Raises ChangesError.
    """
    own = tuple(settings.get("install_command") or ())
    running = [rule for rule in changes.parse_rules(rules) if rule.run]
    chosen = _choose(tree, bool(running), settings) if own == lock_files.AUTO else _below(tree, settings)
    planned = changes.plan_changes(changed_paths, rules, app, **chosen)
    install = list(chosen.get("install_command") or ())
    at_lock = lock_files.folder_of(tree.lock or "") if own == lock_files.AUTO else tree.subfolder
    build = [{"words": words, "folder": at_lock if words == install else tree.subfolder} for words in planned["run"]]
    folders = [at_lock, tree.subfolder] if install else [tree.subfolder]
    paths = list(dict.fromkeys([*built_paths, *(_packages_in(folder) for folder in folders if folder)]))
    anew = [_packages_in(each["folder"]) for each in build if lock_files.installs_here(each["words"])]
    return {
        **planned,
        "build": build,
        "built_paths": paths,
        "built_anew": [path for path in paths if path in anew],
        "warnings": lock_files.not_installed(changed_paths, _installed(planned, changed_paths, running)),
    }


def _choose(tree: Tree, runs_more: bool, settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the settings with the install command of the app's lock file."""
    builds = bool(settings.get("build_command")) or runs_more
    words = lock_files.install_words(tree.lock, builds) if tree.lock else []
    when = [glob.escape(tree.lock), *_beside(tree, settings)] if tree.lock else []
    return {**settings, "install_command": words, "install_when_changed": when}


def _beside(tree: Tree, settings: Mapping[str, Any]) -> List[str]:
    """Return the wanted patterns without the names of lock files: those mean the one of the app, wherever it lies."""
    return [each for each in settings.get("install_when_changed") or () if each not in lock_files.MANAGERS]


def _below(tree: Tree, settings: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the settings; a pattern of the install is also one of the folder in which the commands run."""
    given = list(settings.get("install_when_changed") or ())
    more = [f"{glob.escape(tree.subfolder)}/{each}" for each in given] if tree.subfolder else []
    return {**settings, "install_when_changed": [*given, *more]}


def _packages_in(folder: str) -> str:
    return f"{folder}/node_modules" if folder else "node_modules"


def _installed(
    planned: Mapping[str, Any], changed_paths: Sequence[str], running: Sequence[changes.ChangeRule]
) -> List[str]:
    """Return the changed paths after which a command runs that is made for them."""
    found = [path for rule in running for path in rule.matching(changed_paths)]
    return [*planned["reasons"].get("install", ()), *found]
