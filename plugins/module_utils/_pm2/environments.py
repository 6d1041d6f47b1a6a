# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks `env_NAME` of an ecosystem file: merged as `pm2 start --env NAME` does, and found in what runs.

PM2 does not keep which NAME a process was started with. It keeps all blocks and the variables, so these are compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import REMEMBERED, Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.variables import is_of_the_app, text

_PREFIX = "env_"


def blocks_of(entry: Mapping[str, Any]) -> Dict[str, Mapping[str, Any]]:
    """Return the blocks of an entry of an ecosystem file, or of what PM2 keeps of it, by their names."""
    return {
        key[len(_PREFIX) :]: value
        for key, value in entry.items()
        if key.startswith(_PREFIX) and key != REMEMBERED and isinstance(value, dict)
    }


def merge(app: Mapping[str, Any], env_name: str, deploy: Optional[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return an entry of an ecosystem file with the variables of a block, "" for none. Raises PM2Error.

    What `deploy` has of that name in the same file counts less, as for `mergeEnvironmentVariables` of PM2. It only
    warns of a block that is not there, so that a misspelt production runs as development; here that is refused.
    """
    if not env_name:
        return dict(app)
    blocks = blocks_of(app)
    if env_name not in blocks and (blocks or _PREFIX + env_name == REMEMBERED):
        known = ", ".join(_PREFIX + name for name in sorted(blocks)) or "no block of variables"
        raise PM2Error(f"the app has {known}, and no {_PREFIX}{env_name}; correct the name of the block")
    given = app.get("env")
    if given is not None and not isinstance(given, dict):
        return dict(app)
    port = {"PORT": app["port"]} if app.get("port") else {}
    env = {**(given or {}), **port, **(deploy or {}), **blocks.get(env_name, {})}
    return {**app, "env": env, **({"port": env["PORT"]} if port else {})}


def keep_others(config: Config, running: Mapping[str, Any]) -> Config:
    """Return a configuration that keeps the variables that a process has from elsewhere, but for those that are gone.

    A person has set them, or a task of pm2_process, and they count also where the process has to be created again.
    """
    kept = {
        key: text(value)
        for key, value in (running.get("env") or {}).items()
        if is_of_the_app(key) and key not in config.gone and key not in config.env
    }
    remembered = {key: "" for key in running.get(REMEMBERED) or {} if key in kept}
    env, known = {**kept, **config.env}, {**remembered, **config.app[REMEMBERED]}
    return replace(config, env=env, app={**config.app, "env": env, REMEMBERED: known})


def refuse_unnamed(
    name: str, config: Optional[Config], processes: Sequence[Mapping[str, Any]], option: str = "env_name"
) -> None:
    """Raise PM2Error where an ecosystem file without the block that an app runs with would take its values away.

    `option` is what names the block.
    """
    if config is None or config.env_name is not None:
        return
    for each in process.named(processes, name):
        running = each.get("pm2_env", {})
        found = _running_with(config, running)
        if found:
            block, names = found
            raise PM2Error(
                f"{name} runs with {_PREFIX}{block} of its ecosystem file, and would lose its values of "
                f"{', '.join(names)}; set {option} to {block}"
            )


def _running_with(config: Config, running: Mapping[str, Any]) -> Optional[Tuple[str, List[str]]]:
    """Return the block that a process runs with and the variables that show it, None where it runs with none.

    The file may have changed since, so the blocks that PM2 keeps of it count first.
    """
    current = {key: text(value) for key, value in (running.get("env") or {}).items()}
    for blocks in (blocks_of(running), blocks_of(config.app)):
        likeness = {block: _likeness(config, values, current) for block, values in sorted(blocks.items())}
        block = max(likeness, key=lambda name: likeness[name], default="")
        if block and likeness[block][1]:
            return block, likeness[block][1]
    return None


def _likeness(config: Config, values: Mapping[str, Any], current: Mapping[str, str]) -> Tuple[float, List[str]]:
    """Return which variables have the values of a block now and would lose them, and their part of those that differ.

    Where one is as wanted already, the process does not run with the block.
    """
    given = {key: text(value) for key, value in values.items() if key not in config.own}
    differ = {key: value for key, value in given.items() if value != config.env.get(key)}
    shown = sorted(key for key, value in differ.items() if current.get(key) == value)
    if not shown or any(current.get(key) == config.env.get(key) for key in differ):
        return 0.0, []
    return len(shown) / len(differ), shown
