# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted configuration of a process, in the words of an ecosystem file and in those that PM2 keeps it in.

How PM2 turns the one into the other: `verifyConfs` and `prepareAppConf` in its lib/Common.js, lib/API/schema.json and
lib/tools/Config.js, the same in PM2 5 to 7.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import PM2Error

# PM2 keeps an env_NAME of an ecosystem file as it is, so the names of the variables that were wanted are left there:
# a variable that is no longer wanted can be told from one that came from elsewhere.
REMEMBERED = "env_greenlight"

_ALIASES = {
    "exec": "script",
    "cmd": "script",
    "command": "script",
    "interpreter": "exec_interpreter",
    "interpreter_args": "node_args",
    "out": "out_file",
    "output": "out_file",
    "out_log": "out_file",
    "error": "error_file",
    "err": "error_file",
    "err_file": "error_file",
    "err_log": "error_file",
    "log": "log_file",
    "cron": "cron_restart",
    "combine_logs": "merge_logs",
}
# What PM2 takes where an ecosystem file is silent; None where it then keeps nothing.
_DEFAULTS: Dict[str, Any] = {
    "args": [],
    "autorestart": True,
    "autostart": True,
    "cron_restart": None,
    "exp_backoff_restart_delay": None,
    "kill_retry_time": 100,
    "kill_timeout": None,
    "listen_timeout": None,
    "log_date_format": None,
    "log_type": None,
    "max_memory_restart": None,
    "max_restarts": None,
    "min_uptime": None,
    "namespace": "default",
    "node_args": [],
    "pmx": True,
    "restart_delay": None,
    "shutdown_with_message": False,
    "stop_exit_codes": None,
    "treekill": True,
    "vizion": True,
    "wait_ready": False,
    "watch": False,
}
_NUMBERS = ("kill_timeout", "listen_timeout", "max_restarts", "restart_delay", "exp_backoff_restart_delay")
_LISTS = ("args", "node_args")
_UNITS = {
    "max_memory_restart": {"K": 1024, "M": 1024**2, "G": 1024**3},
    "min_uptime": {"s": 1000, "m": 60 * 1000, "h": 60 * 60 * 1000},
}
_HOME = "{PM2_HOME}"
_TIME_FORMAT = "YYYY-MM-DDTHH:mm:ss"
_SCRIPTS_OF_NODE = ("", ".js", ".cjs", ".mjs")
# PM2 reads these only when it makes a process.
_ONLY_AT_CREATION = ("autostart", "cron_restart", "exec_mode", "instances", "namespace", "pm_err_log_path")
_NEED_CREATION = frozenset((*_ONLY_AT_CREATION, "pm_out_log_path", "watch"))


@dataclass(frozen=True)
class Config:
    """A wanted configuration.

    `app` has the words of an ecosystem file, `kept` those of PM2 without the environment. Where `whole` is false,
    only what is in there is wanted, and everything else may be as it is.
    """

    app: Mapping[str, Any]
    kept: Mapping[str, Any]
    env: Mapping[str, str]
    whole: bool


@dataclass(frozen=True)
class Difference:
    """One setting that is not as wanted. Of a variable (`is_env`) the values are secret."""

    key: str
    before: Any
    after: Any
    is_env: bool = False


def canonical(app: Mapping[str, Any]) -> Dict[str, Any]:
    """Return an entry of an ecosystem file with one word for each setting, where PM2 takes several."""
    words = {}
    for key, value in app.items():
        snake = key if key == "windowsHide" else re.sub(r"([a-z])([A-Z])", lambda m: f"{m[1]}_{m[2].lower()}", key)
        words[key if key.startswith("env_") else _ALIASES.get(snake, snake)] = value
    return words


def text(value: Any) -> str:
    """Return the value of a variable as JavaScript hands it to a process."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return str(value)


def make_config(
    name: str,
    described: Optional[Mapping[str, Any]],
    options: Mapping[str, Any],
    folder: Path,
    cpus: int,
    path: str = os.defpath,
) -> Config:
    """Put the options over the entry of an ecosystem file, None where there is none.

    `folder` is where relative paths begin, `cpus` the number of processors, `path` where programs are looked for.
    Raises PM2Error.
    """
    app = canonical(described or {})
    env = {**_variables(app.pop("env", None)), **options.get("env", {})}
    app.update({key: value for key, value in options.items() if key != "env" and value is not None})
    if not app.get("script"):
        _refuse_what_needs_a_script(app)
        kept = _kept_settings(app)
        return Config({}, kept, {key: text(value) for key, value in env.items() if value is not None}, whole=False)
    if app.get("port"):
        env["PORT"] = app["port"]
    app["cwd"] = str(_absolute(app.get("cwd") or "", folder))
    variables = {key: text(value) for key, value in env.items() if value is not None}
    app.update(name=name, env=variables)
    app[REMEMBERED] = dict.fromkeys(sorted(variables), "")
    _place_script(app, path, from_options=bool(options.get("script")))
    kept = {**_DEFAULTS, **_default_logs(name), **_kept_settings(app), **_kept_mode(app, cpus)}
    return Config(app, kept, variables, whole=True)


def _variables(given: Any) -> Dict[str, Any]:
    if given is not None and not isinstance(given, dict):
        raise PM2Error(f"env of the ecosystem file must be an object, not a {type(given).__name__}; correct it")
    return given or {}


def _refuse_what_needs_a_script(app: Mapping[str, Any]) -> None:
    """Raise PM2Error for a setting that only counts beside a script, and would be passed over without one."""
    for key in ("instances", "exec_mode", "cwd", "exec_interpreter"):
        # The path of an interpreter is kept by PM2 as it is, so it can be compared and handed over.
        if app.get(key) is not None and not (key == "exec_interpreter" and "/" in str(app[key])):
            option = "interpreter" if key == "exec_interpreter" else key
            raise PM2Error(f"{option} counts only beside a script; give script, or config that names one")


def _absolute(path: str, folder: Path) -> Path:
    """Return an absolute path in which symbolic links are kept, so that a flipped one is followed."""
    return Path(os.path.normpath(str(folder / Path(path).expanduser())))


def _place_script(app: Dict[str, Any], path: str, from_options: bool) -> None:
    """Make PM2 find the script: it takes one with a space for a shell command, and looks for programs on PATH."""
    script = str(app["script"])
    if " " in script and Path(script).is_absolute():
        script = os.path.relpath(script, app["cwd"])
    if " " in script and from_options:
        raise PM2Error(f"PM2 takes a script with a space for a shell command; set cwd to the folder of {script}")
    app["script"] = script
    placed = _absolute(script, Path(app["cwd"]))
    program = None if placed.exists() else shutil.which(script, path=path)
    app["pm_exec_path"] = program or str(placed)


def _default_logs(name: str) -> Dict[str, str]:
    """Return where PM2 logs when it is not told, PM2_HOME left open."""
    stem = re.sub(r"[^a-zA-Z0-9\\.\-]", "-", name)
    return {f"pm_{key[:3]}_log_path": f"{_HOME}/logs/{stem}-{key}.log" for key in ("out", "error")}


def _kept_mode(app: Dict[str, Any], cpus: int) -> Dict[str, Any]:
    """Return where and how PM2 runs the script: its path, working folder, mode, and number of instances."""
    given, script = app.get("instances"), app.pop("pm_exec_path")
    by_node = str(app.get("exec_interpreter") or "node").endswith("node") and Path(script).suffix in _SCRIPTS_OF_NODE
    mode = app.get("exec_mode") or ("cluster" if given is not None and by_node else "fork")
    kept = {
        "exec_mode": f"{mode.replace('_mode', '')}_mode",
        "instances": _count(given, cpus),
        "pm_cwd": app["cwd"],
        "pm_exec_path": script,
    }
    if " " in app["script"]:
        # A shell command: PM2 runs bash or sh, whichever it finds.
        del kept["pm_exec_path"]
        kept["args"] = ["-c", app["script"]]
    return kept


def _count(given: Any, cpus: int) -> int:
    if given is None:
        return 1
    try:
        wanted = 0 if given == "max" else int(given)
    except (TypeError, ValueError):
        raise PM2Error(f"instances must be a whole number or max, not {given!r}") from None
    return max(1, wanted if wanted > 0 else wanted + cpus)


def _kept_settings(app: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the other settings as PM2 keeps them."""
    kept: Dict[str, Any] = {}
    for key in _DEFAULTS:
        if app.get(key) is not None:
            kept[key] = _kept_value(key, app[key])
    if app.get("automation") is False:
        kept["pmx"] = False
    if app.get("time"):
        kept["log_date_format"] = _TIME_FORMAT
    for key, kept_key in (("out_file", "pm_out_log_path"), ("error_file", "pm_err_log_path")):
        if app.get(key):
            kept[kept_key] = _without_id(str(_absolute(app[key], Path(app.get("cwd") or "/"))))
    if "/" in str(app.get("exec_interpreter", "")):
        kept["exec_interpreter"] = app["exec_interpreter"]
    return kept


def _kept_value(key: str, value: Any) -> Any:
    if key in _LISTS:
        return [text(each) for each in value] if isinstance(value, list) else _split(key, str(value))
    if key in _NUMBERS or key in _UNITS:
        return _number(key, str(value), _UNITS.get(key, {}))
    return value


def _split(key: str, value: str) -> List[str]:
    """Split a line of arguments as a shell does. Raises PM2Error, without the line, as it may hold secrets."""
    try:
        return shlex.split(value)
    except ValueError as error:
        raise PM2Error(f"{key} cannot be split into arguments: {error}; correct it, or give a list") from None


def _number(key: str, value: str, units: Mapping[str, int]) -> float:
    """Read a number with a unit behind it. Raises PM2Error."""
    plain, factor = (value[:-1], units[value[-1]]) if value[-1:] in units else (value, 1)
    try:
        number = float(plain) * factor
    except ValueError:
        known = f", or one followed by {', '.join(units)}" if units else ""
        raise PM2Error(f"{key} must be a number{known}, not {value!r}") from None
    return int(number) if number.is_integer() else number


def _without_id(path: str) -> str:
    """Return the path of a log without the id of the instance, which PM2 puts before its suffix."""
    return re.sub(r"-\d+\.log$", ".log", path)


def differences(config: Config, processes: Sequence[Mapping[str, Any]]) -> List[Difference]:
    """Return what of a running configuration is not as wanted, each setting once though several instances differ."""
    found: Dict[str, Difference] = {}
    for process in processes:
        running = process.get("pm2_env", {})
        for each in [*_settings_differ(config, running, len(processes)), *_variables_differ(config, running)]:
            found.setdefault(f"{each.is_env} {each.key}", each)
    return [found[key] for key in sorted(found)]


def _settings_differ(config: Config, running: Mapping[str, Any], instances: int) -> List[Difference]:
    found = []
    for key, wanted in config.kept.items():
        current = instances if key == "instances" else running.get(key, _DEFAULTS.get(key))
        if key in ("pm_out_log_path", "pm_err_log_path"):
            current, wanted = _without_id(str(current)), wanted.replace(_HOME, str(running.get("PM2_HOME")))
        # PM2 leaves out, or keeps as null, what it was not told.
        current = _DEFAULTS.get(key) if current is None else current
        if current != wanted:
            found.append(Difference(key, current, wanted))
    return found


def _variables_differ(config: Config, running: Mapping[str, Any]) -> List[Difference]:
    current = {key: text(value) for key, value in running.get("env", {}).items()}
    found = [
        Difference(key, current.get(key), value, is_env=True)
        for key, value in config.env.items()
        if current.get(key) != value
    ]
    if config.whole:
        gone = [key for key in running.get(REMEMBERED) or {} if key in current and key not in config.env]
        found += [Difference(key, current[key], None, is_env=True) for key in gone]
    return found


def can_be_handed_over(found: Sequence[Difference]) -> bool:
    """Say whether a running process takes the changes with a restart, or must be made anew."""
    for each in found:
        if not each.is_env and (each.key in _NEED_CREATION or each.after == "null"):
            return False
        # PM2 keeps variables beside its own settings, and removes them there by name.
        if each.is_env and each.after is None and (each.key in _DEFAULTS or not each.key.isupper()):
            return False
    return True


def changes_for(config: Config, process: Mapping[str, Any], found: Sequence[Difference]) -> Dict[str, Any]:
    """Return what the daemon is handed for one instance: `current_conf`, where `null` as text removes a setting."""
    running = process.get("pm2_env", {})
    changes = {each.key: "null" if each.after is None else each.after for each in found if not each.is_env}
    env = dict(running.get("env", {}))
    for each in found:
        if each.is_env and each.after is None:
            env.pop(each.key, None)
            changes[each.key] = "null"
    env.update(config.env)
    if "pm_cwd" in changes:
        env["PWD"] = changes["cwd"] = changes["pm_cwd"]
    if config.whole:
        changes[REMEMBERED] = config.app[REMEMBERED]
    return {**changes, "env": env}


def describe(found: Sequence[Difference], side: str) -> Dict[str, Any]:
    """Return one side (before or after) of the differences for a diff, the values of variables hidden."""
    shown = {}
    for each in found:
        value = getattr(each, side)
        hidden = "hidden value" if side == "before" else "another hidden value"
        shown[f"env.{each.key}" if each.is_env else each.key] = value if value is None or not each.is_env else hidden
    return shown


def ecosystem(config: Config) -> str:
    """Return the text of an ecosystem file with this one app."""
    return json.dumps({"apps": [config.app]}, indent=1)


def take_variables(params: Dict[str, Any], no_log_values: Set[str]) -> Dict[str, str]:
    """Return the wanted variables as text, and leave only their names where Ansible shows the arguments of a module.

    Ansible would hide their values wherever they occur in the result, also a port or a part of a path; a module that
    uses this lets no value into its result, and cleans its messages.
    """
    env = {name: text(value) for name, value in params["env"].items() if value is not None}
    params["env"] = dict.fromkeys(env, "hidden")
    no_log_values.clear()
    return env
