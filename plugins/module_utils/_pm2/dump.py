# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What PM2 saves of its processes, `PM2_HOME/dump.pm2`, from which `pm2 resurrect` starts them after a reboot.

The file holds the whole environment of every process. PM2 makes it readable for everybody; here it is private.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import trust
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import (
    FILES_OF_A_LIST,
    Program,
    refuse_full,
)

_FILES = ("dump.pm2", "dump.pm2.bak")
# What changes while a process runs, and is created again when it is resurrected.
_PASSING = frozenset(
    (
        *("_pm2_version", "axm_actions", "axm_dynamic", "axm_monitor", "axm_options", "created_at", "exit_code"),
        *("instances", "km_link", "node_version", "pm_id", "pm_uptime", "prev_restart_delay", "restart_time"),
        *("unique_id", "unstable_restarts", "version", "versioning", "vizion_running"),
    )
)


def read_dump(home: Path) -> List[Dict[str, Any]]:
    """Return the saved processes, none when nothing was saved or the file is broken."""
    try:
        saved = json.loads((home / _FILES[0]).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [each for each in saved if isinstance(each, dict)] if isinstance(saved, list) else []


def saved_as(home: Path, name: str) -> List[Dict[str, Any]]:
    """Return the instances of a process as they were saved; PM2 makes one of each."""
    return [each for each in read_dump(home) if str(each.get("name")) == name]


def saved_logs(home: Path, name: str) -> Set[Tuple[str, str]]:
    """Return path and stream of the logs to which a process would write that is started as it was saved.

    Root believes no list of another user, which could name any file as a log.
    """
    keys = {"pm_out_log_path": "out", "pm_err_log_path": "err"}
    with contextlib.suppress(OSError, trust.TrustError), trust.held(home) as found:
        folder = trust.there(found)
        if os.geteuid() != 0 or trust.owner_of(folder) == 0:
            saved = saved_as(Path(f"/proc/self/fd/{folder}"), name)
            return {(str(each[key]), stream) for each in saved for key, stream in keys.items() if each.get(key)}
    return set()


def is_saved(saved: Sequence[Mapping[str, Any]], processes: Sequence[Mapping[str, Any]], name: str) -> bool:
    """Say whether `pm2 resurrect` would start the process as it is now."""
    before = [_lasting(each) for each in saved if str(each.get("name")) == name]
    now = [_lasting(each.get("pm2_env", {})) for each in process.named(processes, name)]
    return before == now


def _lasting(env: Mapping[str, Any]) -> Dict[str, Any]:
    lasting = {key: value for key, value in env.items() if key not in _PASSING}
    variables = env.get("env")
    if isinstance(variables, dict):
        lasting["env"] = {key: value for key, value in variables.items() if key not in _PASSING}
    lasting["status"] = "stopped" if env.get("status") == "stopped" else "online"
    return lasting


def save(program: Program, home: Path) -> None:
    """Save the list of all processes of this PM2, also an empty one, readable for its user alone. Raises PM2Error."""
    refuse_no_room(home)
    make_private(home)
    program.run("save", "--force", "--silent", umask=0o077)
    make_private(home)


def refuse_no_room(home: Path) -> None:
    """Raise PM2Error where PM2 could not save its list: it empties both files before it finds that out."""
    size = 0
    with contextlib.suppress(OSError):
        size = (home / _FILES[0]).stat().st_size
    refuse_full(home, FILES_OF_A_LIST, 2 * size)


def make_private(home: Path) -> None:
    """Take the rights of others from what was saved. Raises PM2Error."""
    for name in _FILES:
        file = home / name
        try:
            if file.exists() and file.stat().st_mode & 0o077:
                file.chmod(0o600)
        except OSError as error:
            raise PM2Error(f"Cannot make {file} private: {error.strerror}; become the user of PM2") from error


def readable_by_others(home: Path) -> bool:
    """Say whether any user can read what was saved: the file lets them, and so does every folder above it."""
    file = home / _FILES[0]
    try:
        return bool(file.stat().st_mode & 0o004) and all(folder.stat().st_mode & 0o001 for folder in file.parents)
    except OSError:
        return False
