# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables of a process: read, taken out of a module's arguments, and hidden in its messages."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Mapping, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction

# Variables of the shell that are called like passwords, and hold folders.
_FOLDERS = ("PWD", "OLDPWD")
# What belongs to the shell that ran pm2, and what Node and PM2 hand to one instance only.
_OF_THE_SHELL = (*_FOLDERS, "SHLVL", "_", "HOME", "USER", "LOGNAME")
_NOT_OF_THE_APP = (*_OF_THE_SHELL, "NODE_APP_INSTANCE", "NODE_CHANNEL_FD", "unique_id")
# Programs that run JavaScript, as the kernel calls them.
_RUNTIMES = ("node", "nodejs", "bun", "deno")


def text(value: Any) -> str:
    """Return the value of a variable as JavaScript hands it to a process."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def take_variables(params: Dict[str, Any], no_log_values: Set[str]) -> Dict[str, str]:
    """Return the wanted variables as text, and leave only their names where Ansible shows the arguments of a module.

    Ansible would hide their values wherever they occur in the result, also a port or a part of a path; a module that
    uses this lets no value into its result, and cleans its messages.
    """
    env = {name: text(value) for name, value in params["env"].items() if value is not None}
    params["env"] = dict.fromkeys(env, "hidden")
    no_log_values.clear()
    return env


def running_secrets(processes: Sequence[Mapping[str, Any]], name: str) -> Set[str]:
    """Return the values of the variables of running processes, as far as their names say that they are secrets."""
    return {
        text(value)
        for each in process.named(processes, name)
        for key, value in (each.get("pm2_env", {}).get("env") or {}).items()
        if redaction.names_secret(key) and key not in _FOLDERS
    }


def variables_of(processes: Sequence[Mapping[str, Any]], name: str, path: str) -> Dict[str, str]:
    """Return the variables that an app was started with, without those of PM2; empty where PM2 knows no such app.

    Its PATH is followed by `path`, and begins with the folder of the program that runs it, so that the commands of a
    release use the same Node.
    """
    for each in process.named(processes, name):
        given = (each.get("pm2_env", {}).get("env") or {}).items()
        own = {key: text(value) for key, value in given if is_of_the_app(key)}
        folders = [_runtime_folder(int(each.get("pid") or 0)), *own.get("PATH", "").split(os.pathsep)]
        parts = dict.fromkeys([*folders, *path.split(os.pathsep)])
        return {**own, "PATH": os.pathsep.join(filter(None, parts))}
    return {}


def is_of_the_app(name: str) -> bool:
    return name not in _NOT_OF_THE_APP and not name.startswith("PM2_")


def _runtime_folder(pid: int) -> str:
    program = Path(proc.program_of(pid))
    return str(program.parent) if program.name in _RUNTIMES else ""
