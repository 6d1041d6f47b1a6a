# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of an app that it runs already: which of its processes is meant, and its databases."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, List, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import files, proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

# From the name of a process to the ports that it serves.
Ports = Callable[[str], List[int]]


class SurveyError(GreenlightError):
    """It cannot be said which app is meant, or where it is."""


def choose(instances: Sequence[pm2.Instance], wanted: str, ports_of: Ports) -> Tuple[List[pm2.Instance], List[int]]:
    """Return the instances of the wanted app, or of the only one that serves, and its ports. Raises SurveyError."""
    online = [each for each in instances if each.status == "online" and each.pid]
    running = sorted({each.name for each in online})
    names = sorted({each.name for each in instances})
    if wanted and wanted not in names:
        raise _unclear(f"PM2 knows no process {wanted}", names)
    if wanted and wanted not in running:
        raise SurveyError(f"{wanted} does not run, so nothing can be seen of it; start it, then try again")
    ports = {name: ports_of(name) for name in ([wanted] if wanted else running)}
    serving = [name for name in ports if ports[name]]
    # What runs alone may serve no port.
    meant = serving if serving or len(ports) != 1 else list(ports)
    if len(meant) != 1:
        raise _unclear(f"{len(meant)} processes of PM2 serve a port", names)
    return [each for each in online if each.name == meant[0]], ports[meant[0]]


def _unclear(why: str, names: Sequence[str]) -> SurveyError:
    return SurveyError(f"{why}; set greenlight_process_name to one of {', '.join(names) or 'those that it should run'}")


def databases_of(instances: Sequence[pm2.Instance]) -> List[str]:
    """Return the SQLite databases that the processes have open."""
    opened = proc.open_paths(proc.with_descendants([each.pid for each in instances]))
    return [path for path in opened if files.is_database(Path(path))]


def state_path_of(usual: Path, home: Path) -> str:
    """Return where the release records can be, empty for the usual place, where this user may not write."""
    there = next(parent for parent in (usual, *usual.parents) if parent.is_dir())
    return "" if os.access(str(there), os.W_OK) else str(home / ".greenlight" / usual.name)
