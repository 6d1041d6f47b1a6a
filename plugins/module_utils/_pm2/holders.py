# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes have a SQLite database open, and what each of them is to PM2.

A process that opens the database, writes and closes it again is seen only while it does that, so that the processes of
PM2 are looked at again and again while something else is awaited.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Dict, FrozenSet, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import RUNS, SERVES, WORKS

# What lies next to a database and is open with it, and the database itself.
_SUFFIXES = ("", "-wal", "-shm", "-journal")


class HolderWatch:
    """Notes who has one of the databases open."""

    def __init__(self, databases: Sequence[str]) -> None:
        self._databases = databases
        self._known: Dict[int, Instance] = {}
        self._found: Dict[int, str] = {}

    def begin(self, listed: Sequence[Mapping[str, Any]]) -> None:
        """Take note of the processes that PM2 lists, which `sample` looks at."""
        for each in map(process.parse_instance, listed):
            self._known.update(dict.fromkeys(proc.with_descendants([each.pid]) if each.pid else (), each))

    def sample(self) -> None:
        """Look at the processes of PM2 once."""
        self._found.update(proc.holders(self._files(), among=self._known))

    def end(self, listed: Sequence[Mapping[str, Any]]) -> List[Dict[str, Any]]:
        """Look at all processes of this host, and return whoever had a database open at any time.

        Each has its `pid`, its `program`, the name of its `process` in PM2, empty for one of something else, and its
        `role` there.
        """
        self.begin(listed)
        if self._databases:
            self._found.update(proc.holders(self._files()))
        return [self._describe(pid, program) for pid, program in sorted(self._found.items())]

    def _describe(self, pid: int, program: str) -> Dict[str, Any]:
        known = self._known.get(pid)
        named = {"process": known.name, "role": _role_of(known)} if known else {"process": "", "role": ""}
        return {"pid": pid, "program": program, **named}

    def _files(self) -> FrozenSet[proc.FileId]:
        found = set()
        for path in (Path(f"{database}{suffix}") for database in self._databases for suffix in _SUFFIXES):
            with contextlib.suppress(OSError):
                status = os.stat(str(path))
                found.add((status.st_dev, status.st_ino))
        return frozenset(found)


def _role_of(instance: Instance) -> str:
    """Return what an instance does, by its settings and by what it does now."""
    if not instance.autorestart:
        return RUNS
    is_shared = instance.exec_mode == "cluster_mode"
    return SERVES if is_shared or proc.listening_ports(proc.with_descendants([instance.pid])) else WORKS
