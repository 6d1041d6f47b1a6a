# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch does to the processes of PM2: the app is stopped and started or reloaded, others are restarted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2_api
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import manage, process, readiness, report
from ansible_collections.greenlight.release.plugins.module_utils._pm2.api import Done
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.manage import Host
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness, Wanted
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import PortWatch

# Seconds that an instance has to take a connection.
_PATIENCE = 3.0


@dataclass(frozen=True)
class Processes:
    """The app, and the names of `others` that run anew when it serves.

    `state` is what becomes of the app, started or reloaded; `uid` is the user who acts.
    """

    host: Host
    uid: int
    app: str
    state: str
    wanted: Wanted
    stable_for: float
    timeout: float
    save: bool = False
    config: Optional[Config] = None
    others: Tuple[str, ...] = ()


def environment_of(name: str, env: Mapping[str, Any], path: str) -> Optional[Config]:
    """Return the configuration of an app of which only variables are wanted, None when none are."""
    return pm2_config.make_config(name, None, {"env": dict(env)}, Path("/"), 1, path) if env else None


def _ending(wanted: Processes) -> Request:
    return Request(wanted.app, "stopped", None, Wanted(), 0, wanted.timeout, False)


def _beginning(wanted: Processes) -> Request:
    return Request(
        wanted.app, wanted.state, wanted.config, wanted.wanted, wanted.stable_for, wanted.timeout, wanted.save
    )


def _other(wanted: Processes, name: str) -> Request:
    """Return what is wanted of another process, of which only is known that it must stay alive."""
    return Request(name, "restarted", None, Wanted(0), wanted.stable_for, wanted.timeout, False)


def check(wanted: Processes, hidden: Set[str], with_others: bool) -> State:
    """Return what PM2 says of the app. Raises PM2Error where the switch could not be made.

    The set `hidden` gets what messages must not show.
    """
    before = manage.read_state(wanted.host, wanted.app)
    hidden.update(report.running_secrets(before, wanted.app))
    pm2_api.make_plan(_beginning(wanted), wanted.host, before, wanted.uid)
    if wanted.save:
        wanted.host.program()
    for name in wanted.others if with_others else ():
        other = manage.read_state(wanted.host, name)
        pm2_api.make_plan(_other(wanted, name), wanted.host, other, wanted.uid)
    return before


def watch_port(wanted: Processes, before: State) -> Optional[PortWatch]:
    """Begin to measure for how long the port of the app is closed; None where no port is known."""
    port = manage.port_to_watch(_beginning(wanted), before)
    if not port:
        return None
    watch = PortWatch(port, wanted.host.clock.now, lambda number: number in proc.open_ports())
    wanted.host.idle.append(watch.sample)
    return watch


def stop(wanted: Processes) -> Callable[[], Done]:
    """Stop the app, wait until its processes are gone, and return what waits for PM2. Both raise PM2Error."""
    return pm2_api.begin_stop(_ending(wanted), wanted.host, wanted.uid)


def start(wanted: Processes) -> Done:
    """Start or reload the app, and wait until it is ready and stays so. Raises PM2Error."""
    return pm2_api.act(_beginning(wanted), wanted.host, wanted.uid)


def look(wanted: Processes, log_files: Sequence[Mapping[str, Any]], now: float) -> Dict[str, Any]:
    """Watch an app that was left alone, and return what was seen. Raises PM2Error where PM2 cannot be asked."""
    clock = wanted.host.clock
    with wanted.host.connect() as transport:
        seen, _after = process.wait_until_ready(
            lambda: readiness.look(transport, wanted.app, wanted.wanted, _PATIENCE, clock),
            0,
            wanted.stable_for,
            clock.now,
            clock.sleep,
        )
        after = report.facts(manage.state_of(transport, wanted.app), now)
    return {"process": _seen(seen, after, log_files)}


def _seen(seen: Readiness, after: List[Dict[str, Any]], log_files: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    return {
        "ready": seen.ready,
        "reason": seen.reason,
        "processes": after,
        "ports": seen.ports,
        "log_files": list(log_files),
    }


def restart_others(wanted: Processes) -> List[Done]:
    """Restart the other processes one after another. Raises PM2Error."""
    return [pm2_api.act(_other(wanted, name), wanted.host, wanted.uid) for name in wanted.others]


def describe(done: Done, log_files: Sequence[Mapping[str, Any]], now: float) -> Dict[str, Any]:
    """Return what the start of the app came to; `now` is the time in seconds since 1970."""
    outcome = done.outcome
    after = report.facts(outcome.after, now)
    seen = outcome.ready or Readiness(True, "", [], [])
    return {"after": after, "ready_after": round(outcome.ready_after, 3), "process": _seen(seen, after, log_files)}


def warnings(wanted: Processes, done: Sequence[Done], program_version: str) -> List[str]:
    """Return once each what an operator should know of what was done, though it is no error."""
    found = [
        warning
        for each in done
        for warning in report.warnings(
            each.request,
            each.before,
            each.outcome,
            wanted.host.home,
            wanted.uid,
            program_version,
            each.plan.action,
        )
    ]
    return [wanted.host.hide(warning) for warning in dict.fromkeys(found)]
