# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other packages and the modules use of PM2; outside of this package only this file and the errors are imported.

Stop and start is one chain of four layers, each of which uses the one below it:

- `api`: finds out what runs, makes a checked plan, and has it carried out.
- `carry_out`: carries out the plan for one process, and waits until the process is as wanted.
- `instances`: gives an order to all instances of a process, one after another.
- `transport`: gives one order to PM2 for one instance.

On every layer `stop` returns as soon as the processes are gone, with a callable that waits until PM2 knows that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Optional

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import carry_out as pm2_carry_out
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import options, process, report
from ansible_collections.greenlight.release.plugins.module_utils._pm2.carry_out import Outcome, carry_out, watch_port
from ansible_collections.greenlight.release.plugins.module_utils._pm2.checks import checked_plan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.described import EcosystemFile, read_configs
from ansible_collections.greenlight.release.plugins.module_utils._pm2.differences import (
    Difference,
    can_be_handed_over,
    differences,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.differences import (
    describe as describe_differences,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.dump import (
    is_saved,
    read_dump,
    refuse_no_room,
    saved_logs,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.ended import watch_end
from ansible_collections.greenlight.release.plugins.module_utils._pm2.environments import (
    keep_others,
    refuse_unnamed,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.foreign import refuse as refuse_foreign
from ansible_collections.greenlight.release.plugins.module_utils._pm2.holders import HolderWatch
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import (
    NOTHING,
    PM2Host,
    make_host,
    observe,
    read_state,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.options import read_request, variables_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan, Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import (
    Instance,
    Readiness,
    Requirements,
    named,
    requirements_of,
    restarted_since,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import find_executable, version_of
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock, PortWatch, orphans
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client
from ansible_collections.greenlight.release.plugins.module_utils._pm2.transport import SocketTransport, home_of
from ansible_collections.greenlight.release.plugins.module_utils._pm2.variables import (
    running_secrets,
    take_variables,
    variables_of,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import hide

__all__ = [
    "NOTHING",
    "Clock",
    "Completed",
    "Config",
    "Difference",
    "EcosystemFile",
    "HolderWatch",
    "Instance",
    "Outcome",
    "PM2Host",
    "PortWatch",
    "ProcessPlan",
    "Readiness",
    "Request",
    "Requirements",
    "State",
    "act",
    "can_be_handed_over",
    "carry_out",
    "check_options",
    "checked_plan",
    "describe_differences",
    "differences",
    "find_executable",
    "hide",
    "home_of",
    "is_saved",
    "keep_others",
    "make_host",
    "named",
    "observe",
    "orphans",
    "read_all",
    "read_configs",
    "read_dump",
    "read_instances",
    "read_request",
    "read_state",
    "refuse_foreign",
    "refuse_no_room",
    "refuse_unnamed",
    "report",
    "requirements_of",
    "restarted_since",
    "running_secrets",
    "saved_logs",
    "stop",
    "take_variables",
    "variables_config",
    "variables_of",
    "version_of",
    "watch_end",
    "watch_port",
]

check_options = options.check


@dataclass(frozen=True)
class Completed:
    """What was wanted of a process, and what was found, planned and done."""

    request: Request
    before: State
    plan: ProcessPlan
    outcome: Outcome


def read_instances(home: Path, name: str, timeout: float) -> List[Instance]:
    """Return the instances of a process, over the socket of the daemon alone. Raises PM2Error."""
    with Client(home, timeout) as client:
        return process.instances_of(SocketTransport(client).processes(), name)


def read_all(host: PM2Host) -> List[Instance]:
    """Return the instances of all processes, none where no daemon runs. Raises PM2Error."""
    return [process.parse_instance(each) for each in read_state(host, "").processes]


def act(request: Request, host: PM2Host, uid: int, known: Optional[State] = None) -> Completed:
    """Do what is wanted of a process, as the user `uid`, and wait until it is so. Raises PM2Error.

    `known` is what PM2 said of it just now, by who has also looked for orphans; None where it is to be asked.
    """
    before = read_state(host, request.name) if known is None else known
    plan = checked_plan(request, host, before, uid, without_orphans=known is not None)
    if not before.instances and not plan.changed:
        return _nothing_to_do(request, before, plan)
    return Completed(request, before, plan, carry_out(request, host, before, plan))


def stop(request: Request, host: PM2Host, uid: int) -> Callable[[], Completed]:
    """Stop a process, and when it is gone return what waits until PM2 knows it. Both raise PM2Error."""
    before = read_state(host, request.name)
    plan = checked_plan(request, host, before, uid)
    if not before.instances and not plan.changed:
        return lambda: _nothing_to_do(request, before, plan)
    await_pm2 = pm2_carry_out.stop(request, host, before, plan)
    return lambda: Completed(request, before, plan, await_pm2())


def _nothing_to_do(request: Request, before: State, plan: ProcessPlan) -> Completed:
    """There may be no daemon to ask: PM2 was killed, and what it ran with it."""
    return Completed(request, before, plan, Outcome(before, None, 0.0, [], None))
