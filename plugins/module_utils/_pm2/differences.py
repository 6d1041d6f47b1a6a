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
    NEED_CREATION,
    without_instance_id,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.variables import text


@dataclass(frozen=True)
class Difference:
    """One setting that is not as wanted. Of a variable (`is_env`) the values are secret."""

    key: str
    before: Any
    after: Any
    is_env: bool = False

    @property
    def shown_key(self) -> str:
        return f"env.{self.key}" if self.is_env else self.key


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
        current = instances if key == "instances" else running.get(key, DEFAULTS.get(key))
        if key in ("pm_out_log_path", "pm_err_log_path"):
            current, wanted = without_instance_id(str(current)), wanted.replace(HOME, str(running.get("PM2_HOME")))
        # PM2 leaves out, or keeps as null, what it was not given.
        current = DEFAULTS.get(key) if current is None else current
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
    """Say whether a running process takes the changes with a restart, or must be created again."""
    for each in found:
        if not each.is_env and (each.key in NEED_CREATION or each.after == "null"):
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
        shown[each.shown_key] = value if value is None or not each.is_env else hidden
    return shown
