# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SQLite databases of an app: those that it has open, else those that its variables name, else one beside it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Iterator, List, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import files, proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2

_ENDINGS = (".db", ".sqlite", ".sqlite3", ".db3")
_NO_DATA = ("node_modules", ".git", ".next", "dist", "test", "tests", "fixtures")
_DEEPEST = 4
# How a database was seen that no process has open.
IN_CHECKOUT = "it lies in the checkout"


def opened(instances: Sequence[pm2.Instance]) -> List[str]:
    """Return the databases that the processes have open."""
    return [path for path in proc.open_paths(_family(instances)) if files.is_database(Path(path))]


def find(instances: Sequence[pm2.Instance], folder: Path) -> Tuple[List[str], str]:
    """Return the databases of the processes, and how they were seen, "" for those that are open.

    An app may open its database for each request. `folder` is its checkout.
    """
    found = opened(instances)
    if found:
        return found, ""
    found = sorted(_named(instances))
    if found:
        return found, "a variable of the app says where it lies"
    found = sorted(_below(folder))
    return found, IN_CHECKOUT if found else ""


def _family(instances: Sequence[pm2.Instance]) -> Set[int]:
    return proc.with_descendants([each.pid for each in instances if each.pid])


def _named(instances: Sequence[pm2.Instance]) -> Set[str]:
    found = set()
    for each in instances:
        for value in proc.environment_of(each.pid).values() if each.pid else ():
            path = Path(each.cwd, value.split("?")[0].replace("sqlite:", "").replace("file:", "", 1))
            if value and len(value) < 4096 and files.is_database(path):
                found.add(os.path.realpath(str(path)))
    return found


def _below(folder: Path, depth: int = 0) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(str(folder)), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False) and entry.name not in _NO_DATA and depth < _DEEPEST:
            yield from _below(folder / entry.name, depth + 1)
        elif entry.name.endswith(_ENDINGS) and files.is_database(folder / entry.name):
            yield str(folder / entry.name)
