# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted configuration of a process, in the words of an ecosystem file and in those that PM2 keeps it in."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, FrozenSet, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.settings import (
    DEFAULTS,
    absolute,
    canonical,
    kept_settings,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.variables import text

# PM2 keeps an env_NAME of an ecosystem file as it is, so the names of the variables that were wanted are left there:
# a variable that is no longer wanted can be distinguished from one that came from elsewhere.
REMEMBERED = "env_greenlight"

# A placeholder for PM2_HOME in the path of a log, which is known only of a running process.
HOME = "{PM2_HOME}"
# What runs a script by its ending where nothing is said: lib/API/interpreter.json of PM2. A program runs itself, and
# anything else is for Node.
_INTERPRETERS = {
    ".sh": "bash",
    ".py": "python",
    ".rb": "ruby",
    ".php": "php",
    ".pl": "perl",
    ".coffee": "coffee",
    ".ls": "lsc",
    ".js": "node",
    ".ts": "bun",
    ".tsx": "bun",
}
_BEGIN_OF_A_FILE = 512


@dataclass(frozen=True)
class Config:
    """A wanted configuration.

    `app` has the words of an ecosystem file, `kept` those of PM2 without the environment. Where `whole` is false,
    only what is in there is wanted, and everything else may be as it is. `env_name` is the block of the file that was
    merged into its variables, "" for none, and None where nobody said so; `own` are the variables that were given
    beside the file. Variables that are `gone` are not wanted any more, as far as the process has them.
    """

    app: Mapping[str, Any]
    kept: Mapping[str, Any]
    env: Mapping[str, str]
    whole: bool
    env_name: Optional[str] = ""
    own: FrozenSet[str] = frozenset()
    gone: FrozenSet[str] = frozenset()


def make_config(
    name: str,
    described: Optional[Mapping[str, Any]],
    options: Mapping[str, Any],
    folder: Path,
    cpus: int,
    path: str = os.defpath,
) -> Config:
    """Put the options over the entry of an ecosystem file, None where there is none.

    `folder` is where relative paths begin, `cpus` the number of processors, `path` where programs are searched.
    Raises PM2Error.
    """
    app = canonical(described or {})
    env = {**_variables(app.pop("env", None)), **options.get("env", {})}
    app.update({key: value for key, value in options.items() if key != "env" and value is not None})
    if not app.get("script"):
        _refuse_what_needs_a_script(app)
        kept = kept_settings(app)
        return Config({}, kept, {key: text(value) for key, value in env.items() if value is not None}, whole=False)
    if app.get("port"):
        env["PORT"] = app["port"]
    app["cwd"] = str(absolute(app.get("cwd") or "", folder))
    variables = {key: text(value) for key, value in env.items() if value is not None}
    app.update(name=name, env=variables)
    app[REMEMBERED] = dict.fromkeys(sorted(variables), "")
    _place_script(app, path, from_options=bool(options.get("script")))
    kept = {**DEFAULTS, **_default_logs(name, app), **kept_settings(app), **_kept_mode(app, cpus)}
    return Config(app, kept, variables, whole=True)


def _variables(given: Any) -> Dict[str, Any]:
    if given is not None and not isinstance(given, dict):
        raise PM2Error(f"env of the ecosystem file must be an object, not a {type(given).__name__}; correct it")
    return given or {}


def _refuse_what_needs_a_script(app: Mapping[str, Any]) -> None:
    """Raise PM2Error for a setting that only counts with a script, and would be ignored without one."""
    for key in ("instances", "exec_mode", "cwd", "exec_interpreter"):
        # The path of an interpreter is kept by PM2 as it is, so it can be compared and handed over.
        if app.get(key) is not None and not (key == "exec_interpreter" and "/" in str(app[key])):
            option = "interpreter" if key == "exec_interpreter" else key
            raise PM2Error(f"{option} counts only with a script; give script, or config that names one")


def _place_script(app: Dict[str, Any], path: str, from_options: bool) -> None:
    """Make PM2 find the script: it takes one with a space for a shell command, and searches programs on PATH."""
    script = str(app["script"])
    if " " in script and Path(script).is_absolute():
        script = os.path.relpath(script, app["cwd"])
    if " " in script and from_options:
        raise PM2Error(f"PM2 takes a script with a space for a shell command; set cwd to the folder of {script}")
    app["script"] = script
    placed = absolute(script, Path(app["cwd"]))
    program = None if placed.exists() else shutil.which(script, path=path)
    app["pm_exec_path"] = program or str(placed)


def _default_logs(name: str, app: Mapping[str, Any]) -> Dict[str, str]:
    """Return where PM2 logs by default, PM2_HOME left open."""
    stem = re.sub(r"[^a-zA-Z0-9\\.\-]", "-", name)
    both = {"pm_log_path": f"{HOME}/logs/{stem}.log"} if app.get("log_file") is True else {}
    return {**both, **{f"pm_{key[:3]}_log_path": f"{HOME}/logs/{stem}-{key}.log" for key in ("out", "error")}}


def _kept_mode(app: Dict[str, Any], cpus: int) -> Dict[str, Any]:
    """Return where and how PM2 runs the script: its path, working folder, mode, and number of instances."""
    given, script = app.get("instances"), app.pop("pm_exec_path")
    wanted = _number_of(given)
    said = "fork" if app.get("execute_command") is True else app.get("exec_mode")
    mode = said or ("cluster" if wanted is not None and wanted >= -1 and _can_share(app, script) else "fork")
    kept = {
        "exec_mode": f"{mode.replace('_mode', '')}_mode",
        "instances": 1 if wanted is None else max(1, wanted if wanted > 0 else wanted + cpus),
        "pm_cwd": app["cwd"],
        "pm_exec_path": script,
    }
    if " " in app["script"]:
        # A shell command: PM2 runs bash or sh, whichever it finds.
        del kept["pm_exec_path"]
        kept["args"] = ["-c", app["script"]]
    return kept


def _can_share(app: Mapping[str, Any], script: str) -> bool:
    """Say whether PM2 runs several instances of a script in a cluster, as it does for Node and Bun."""
    # What PM2 runs a shell command with is a program.
    is_program = " " in app["script"] or _is_program(script)
    by_ending = _INTERPRETERS.get(Path(script).suffix) or ("none" if is_program else "node")
    return str(app.get("exec_interpreter") or by_ending).endswith(("node", "bun"))


def _is_program(script: str) -> bool:
    """Say whether a file is no text; one that cannot be read is taken for one."""
    try:
        with Path(script).open("rb") as file:
            return b"\0" in file.read(_BEGIN_OF_A_FILE)
    except OSError:
        return False


def _number_of(instances: Any) -> Optional[int]:
    if instances is None:
        return None
    try:
        return 0 if instances == "max" else int(instances)
    except (TypeError, ValueError):
        raise PM2Error(f"instances must be a whole number or max, not {instances!r}") from None
