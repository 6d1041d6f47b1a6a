# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hooks: task files on the controller that run at certain moments of a release."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

HOOKS = ("drain", "before_switch", "migrate", "after_switch", "undrain", "before_rollback", "after_rollback")


class HookError(GreenlightError):
    """The hooks are not described as they must be, or a file of them is missing."""


def find_hooks(given: Any, base: Path, is_file: Callable[[Path], bool]) -> Dict[str, List[str]]:
    """Return the task files of every hook as absolute paths, `base` being where relative ones begin.

    Raises HookError, which names the hook and the file.
    """
    if not isinstance(given, dict):
        raise HookError("greenlight_hooks must be a mapping of names to lists of task files, as {migrate: [x.yml]}")
    unknown = [str(name) for name in given if name not in HOOKS]
    if unknown:
        raise HookError(f"greenlight_hooks has {unknown[0]!r}; there are the hooks {', '.join(HOOKS)}")
    return {name: _find_files(name, given.get(name), base, is_file) for name in HOOKS}


def _find_files(name: str, files: Any, base: Path, is_file: Callable[[Path], bool]) -> List[str]:
    listed = [] if files is None else files
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not all(isinstance(each, str) for each in listed):
        raise HookError(f"greenlight_hooks.{name} must be a list of task files, not {files!r}")
    paths = [base / each for each in listed]
    for each, path in zip(listed, paths):
        if not each or not is_file(path):
            raise HookError(f"greenlight_hooks.{name} has {each!r}, but there is no file {path} on the controller")
    return [str(path) for path in paths]
