# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the modules that act on PM2: checked, and read into the wanted configuration of a process."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import foreign
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.described import EcosystemFile, read_configs
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import PM2Host
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Request
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import requirements_of
from ansible_collections.greenlight.release.plugins.module_utils._pm2.settings import canonical

_HIGHEST_PORT = 65535
# What PM2 waits for an instance, in milliseconds; it answers only afterwards.
_WAITS = ("kill_timeout", "listen_timeout")
# Options that are bounds in seconds, of which a module may lack some.
_TIMEOUTS = ("timeout", "start_timeout", "stop_timeout")
# Options that are settings of PM2.
_SETTINGS = (
    *("args", "cwd", "error_file", "exec_mode", "instances", "interpreter", "kill_timeout", "listen_timeout"),
    *("max_memory_restart", "node_args", "out_file", "script", "time", "wait_ready"),
)


def check(params: Mapping[str, Any], home: Path) -> None:
    """Check those of these options that a module has. Raises PM2Error."""
    timeout, stable_for, port = params["timeout"], params["stable_for"], params["port"]
    for name in _TIMEOUTS:
        seconds = params.get(name)
        if seconds is not None and (not math.isfinite(seconds) or seconds <= 0):
            raise PM2Error(f"{name} must be a number of seconds above 0, not {seconds:g}")
    if not math.isfinite(stable_for) or stable_for < 0:
        raise PM2Error(f"stable_for must be a number of seconds from 0, not {stable_for:g}")
    if port is not None and not 0 <= port <= _HIGHEST_PORT:
        raise PM2Error(f"port must be from 0 to {_HIGHEST_PORT}, not {port}")
    for each in params.get("more_ports", ()):
        if not 0 < each <= _HIGHEST_PORT:
            raise PM2Error(f"more_ports must be from 1 to {_HIGHEST_PORT}, not {each}")
    if not home.is_absolute():
        raise PM2Error(f"PM2_HOME must be an absolute path, not {home}; correct pm2_home, or the variable PM2_HOME")
    for name in _WAITS:
        _check_wait(name, params.get(name), timeout)


def _check_wait(name: str, milliseconds: Any, timeout: float) -> None:
    if milliseconds is None:
        return
    if milliseconds < 0:
        raise PM2Error(f"{name} must be a number of milliseconds from 0, not {milliseconds}")
    if milliseconds >= timeout * 1000:
        raise PM2Error(
            f"{name} of {milliseconds} ms must be shorter than timeout of {timeout:g} seconds; raise timeout"
        )


def read_config(
    params: Mapping[str, Any], env: Mapping[str, str], host: PM2Host, cpus: int, path: str, uid: int
) -> Optional[Config]:
    """Return the wanted configuration from the options of pm2_process, None when nothing of it is given.

    `path` is where programs are searched, and the ecosystem file is read with the variables `env`, as the user `uid`:
    it is code. Raises PM2Error.
    """
    given = canonical({name: params[name] for name in _SETTINGS if params[name] is not None})
    given.update({"env": env} if env else {})
    if params["state"] in ("stopped", "absent") or not (given or params["config"]):
        return None
    if not params["config"]:
        if params["env_name"] is not None:
            raise PM2Error(f"env_name {params['env_name']!r} counts only with config; give config, or leave it out")
        folder = Path(given.get("cwd") or os.path.dirname(given.get("script") or "/"))
        return pm2_config.make_config(params["name"], None, given, folder, cpus, path)
    file = Path(os.path.abspath(params["config"]))
    foreign.refuse(params["name"], [file], uid, params["allow_root"])
    described = EcosystemFile(file, params["env_name"])
    return read_configs(host, described, params["name"], (), given, cpus)[params["name"]]


def read_request(
    params: Mapping[str, Any], env: Mapping[str, str], host: PM2Host, cpus: int, path: str, uid: int
) -> Request:
    """Return what the options of pm2_process want. See `read_config`."""
    return Request(
        params["name"],
        params["state"],
        read_config(params, env, host, cpus, path, uid),
        requirements_of(params),
        params["stable_for"],
        params["timeout"],
        params["save"],
        allow_root=params["allow_root"],
    )


def variables_config(name: str, env: Mapping[str, str]) -> Optional[Config]:
    """Return the configuration of an app of which only variables are wanted, None when none are."""
    return pm2_config.make_config(name, None, {"env": dict(env)}, Path("/"), 1) if env else None
