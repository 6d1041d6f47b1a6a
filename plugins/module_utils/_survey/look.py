# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of an app that it runs already: which of the processes of PM2 it is made of, and what each does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import (
    RUNS,
    SERVES,
    WORKS,
    AppProcess,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

# From the name of a process to the ports and the unix sockets that it serves.
Served = Callable[[str], Tuple[List[int], List[str]]]


class SurveyError(GreenlightError):
    """It cannot be said which app is meant, or where it is."""


def by_name(instances: Sequence[pm2.Instance]) -> Dict[str, List[pm2.Instance]]:
    """Return the instances of each process, the oldest process first."""
    found: Dict[str, List[pm2.Instance]] = {}
    for each in sorted(instances, key=lambda each: each.pm_id):
        found.setdefault(each.name, []).append(each)
    return found


def runs(instances: Sequence[pm2.Instance]) -> bool:
    return any(each.status == "online" and each.pid for each in instances)


def roles(known: Mapping[str, Sequence[pm2.Instance]], served: Served) -> Dict[str, AppProcess]:
    """Return what each process does, without those that somebody has stopped."""
    found = {}
    for name, instances in known.items():
        ports, sockets = served(name) if runs(instances) else ([], [])
        is_job = any(each.schedule or not each.autorestart for each in instances)
        if ports or sockets:
            found[name] = AppProcess(name, SERVES, tuple(ports), "" if ports else sockets[0])
        elif is_job or runs(instances):
            found[name] = AppProcess(name, RUNS if is_job else WORKS)
    return found


def choose(
    known: Mapping[str, Sequence[pm2.Instance]],
    doing: Mapping[str, AppProcess],
    wanted: str,
    homes: Mapping[str, str],
) -> str:
    """Return the name of the wanted process, or of the one by which an app is measured. Raises SurveyError.

    `homes` are the checkouts by name. Several that serve from one checkout are one app, and the oldest is meant.
    """
    if wanted and wanted not in known:
        raise _unclear(f"PM2 knows no process {wanted}", known)
    if wanted and not runs(known[wanted]):
        raise SurveyError(f"{wanted} does not run, so nothing can be seen of it; start it, then try again")
    for role in (SERVES, WORKS):
        names = [wanted] if wanted else [name for name in doing if doing[name].role == role]
        if len({homes[name] for name in names}) > 1:
            raise _unclear(f"{len(names)} processes of PM2 serve or work, from several checkouts", known)
        if names:
            return names[0]
    raise _unclear("No process of PM2 serves or works", known)


def _unclear(why: str, known: Mapping[str, Sequence[pm2.Instance]]) -> SurveyError:
    names = ", ".join(sorted(known)) or "those that it should run"
    return SurveyError(f"{why}; set greenlight_process_name to one of {names}")


def members(doing: Mapping[str, AppProcess], app: str, belongs: Sequence[str]) -> List[AppProcess]:
    """Return the processes of an app, the one by which it is measured first.

    One that serves beside a worker that was asked for is another app.
    """
    others = [name for name in doing if name in belongs and name != app]
    measured = doing[app]
    return [measured, *(doing[name] for name in others if measured.role == SERVES or doing[name].role != SERVES)]


def state_path_of(usual: Path, home: Path) -> str:
    """Return where the release records can be, empty for the usual place, where this user may not write."""
    there = next(parent for parent in (usual, *usual.parents) if parent.is_dir())
    return "" if os.access(str(there), os.W_OK) else str(home / ".greenlight" / usual.name)
