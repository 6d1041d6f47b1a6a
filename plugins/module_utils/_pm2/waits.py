# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an app may take to start and to end: as long as was asked for, and never less than its own settings say."""

from __future__ import annotations

from typing import Any, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Request
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance

# PM2 sends SIGKILL only when kill_timeout is over, and the kernel needs a moment then.
_MARGIN = 2.0


def start_seconds(request: Request, instances: Sequence[Instance]) -> float:
    """Return the seconds that a process has to become ready, by its `listen_timeout` where that is longer."""
    return max([request.timeout, *_own("listen_timeout", request.config, instances)])


def stop_seconds(request: Request, instances: Sequence[Instance]) -> float:
    """Return the seconds that a process has to end, by its `kill_timeout` where that is longer."""
    return max([request.timeout, *(seconds + _MARGIN for seconds in _own("kill_timeout", request.config, instances))])


def answer_seconds(request: Request, instances: Sequence[Instance]) -> float:
    """Return the seconds that PM2 itself may wait for the process before it gives one answer."""
    return sum(max(_own(name, request.config, instances), default=0.0) for name in ("kill_timeout", "listen_timeout"))


def _own(name: str, config: Optional[Config], instances: Sequence[Instance]) -> Sequence[float]:
    wanted: Any = config.kept.get(name) if config else None
    kept = [getattr(each, name) for each in instances]
    return [float(each) / 1000 for each in (*kept, wanted) if each]
