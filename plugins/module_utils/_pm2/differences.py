# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What differs between the wanted configuration of a process and what runs, and what PM2 is handed to change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import HOME, REMEMBERED, Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.settings import (
    DEFAULTS,
    LOG_PATHS,
    NEED_CREATION,
    same_form,
    without_instance_id,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.variables import text


@dataclass(frozen=True)
class Difference:
    """One setting that is not as wanted. Of a variable (`is_env`) the values are secret.

    One that is `counted` has another value in each instance, which PM2 gives it when it makes them.
    """

    key: str
    before: Any
    after: Any
    is_env: bool = False
    counted: bool = False

    @property
    def shown_key(self) -> str:
        return f"env.{self.key}" if self.is_env else self.key


def differences(config: Config, processes: Sequence[Mapping[str, Any]]) -> List[Difference]:
    """Return what of a running configuration is not as wanted, each setting once though several instances differ."""
    found: Dict[str, Difference] = {}
    counted = _first_of_counted(processes)
    for process in processes:
        running = process.get("pm2_env", {})
        current = {**running.get("env", {}), **counted}
        for each in [*_settings_differ(config, running, len(processes)), *_variables_differ(config, running, current)]:
            found.setdefault(f"{each.is_env} {each.key}", each)
    return [found[key] for key in sorted(found)]


def _settings_differ(config: Config, running: Mapping[str, Any], instances: int) -> List[Difference]:
    found = []
    for key, wanted in config.kept.items():
        current = instances if key == "instances" else running.get(key, DEFAULTS.get(key))
        if key in LOG_PATHS and wanted:
            current, wanted = without_instance_id(str(current)), wanted.replace(HOME, str(running.get("PM2_HOME")))
        # PM2 leaves out, or keeps as null, what it was not given.
        current = same_form(key, current)
        if current != wanted:
            found.append(Difference(key, current, wanted))
    return found


def _first_of_counted(processes: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the variable that PM2 counts up from instance to instance, with the value of the first."""
    found: Dict[str, Any] = {}
    for process in processes:
        running = process.get("pm2_env", {})
        name = _counted_by(running)
        if name in running.get("env", {}):
            value = running["env"][name]
            found[name] = min(found.get(name, value), value, key=_as_number)
    return found


def _counted_by(running: Mapping[str, Any]) -> str:
    """Return the name of the variable that PM2 counts up from instance to instance, "" for none."""
    return str(running.get("increment_var") or "")


def _as_number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0
    return int(number) if number.is_integer() else number


def _variables_differ(config: Config, running: Mapping[str, Any], variables: Mapping[str, Any]) -> List[Difference]:
    counted, current = _counted_by(running), {key: text(value) for key, value in variables.items()}
    wanted = {key: text(_as_number(value)) if key == counted else value for key, value in config.env.items()}
    found = [
        Difference(key, current.get(key), value, is_env=True, counted=key == counted)
        for key, value in wanted.items()
        if current.get(key) != value
    ]
    if config.whole:
        once_wanted = {*(running.get(REMEMBERED) or {}), *config.gone}
        gone = [key for key in once_wanted if key in current and key not in config.env]
        found += [Difference(key, current[key], None, is_env=True) for key in gone]
    return found


def can_be_handed_over(found: Sequence[Difference]) -> bool:
    """Say whether a running process takes the changes with a restart, or must be created again."""
    for each in found:
        if each.counted or (not each.is_env and (each.key in NEED_CREATION or each.after == "null")):
            return False
        # PM2 keeps variables together with its own settings, and removes them there by name.
        if each.is_env and each.after is None and (each.key in DEFAULTS or not each.key.isupper()):
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
    # What PM2 has counted up stays another one for each instance.
    env.update({key: value for key, value in config.env.items() if key != _counted_by(running)})
    if "pm_cwd" in changes:
        env["PWD"] = changes["cwd"] = changes["pm_cwd"]
    if config.whole:
        # Which of them a process runs with is told by their values.
        changes.update({key: value for key, value in config.app.items() if key.startswith("env_")})
    return {**changes, "env": env}


def describe(found: Sequence[Difference], side: str) -> Dict[str, Any]:
    """Return one side (before or after) of the differences for a diff, the values of variables hidden."""
    shown = {}
    for each in found:
        value = getattr(each, side)
        hidden = "hidden value" if side == "before" else "another hidden value"
        shown[each.shown_key] = value if value is None or not each.is_env else hidden
    return shown
