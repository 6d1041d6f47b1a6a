# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and paths that the modules of PM2 take, checked before anything is done with them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import PM2Error

_HIGHEST_PORT = 65535
# What PM2 waits for an instance, in milliseconds; it answers only afterwards.
_WAITS = ("kill_timeout", "listen_timeout")


def check(params: Mapping[str, Any], home: Path) -> None:
    """Check the options of a module, of which only those that it has are looked at. Raises PM2Error."""
    timeout, stable_for, port = params["timeout"], params["stable_for"], params["port"]
    if not math.isfinite(timeout) or timeout <= 0:
        raise PM2Error(f"timeout must be a number of seconds above 0, not {timeout:g}")
    if not math.isfinite(stable_for) or stable_for < 0:
        raise PM2Error(f"stable_for must be a number of seconds from 0, not {stable_for:g}")
    if port is not None and not 0 <= port <= _HIGHEST_PORT:
        raise PM2Error(f"port must be from 0 to {_HIGHEST_PORT}, not {port}")
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
