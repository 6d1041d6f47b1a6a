# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules need to act on PM2: the program, ways to the daemon, time, and a plan that was checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Mapping, Set

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import manage, report, transport
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import plan as pm2_plan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.manage import Host, Outcome
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import Plan, Request, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.transport import Program

# Seconds between two looks of the watches while something is awaited.
_TICK = 0.02


@dataclass(frozen=True)
class Done:
    """What was wanted of a process, and what was found, planned and done."""

    request: Request
    before: State
    plan: Plan
    outcome: Outcome


def find_program(
    executable: str, home: Path, timeout: float, caller: Mapping[str, str], idle: Callable[[], None] = lambda: None
) -> Program:
    """Return the pm2 program, `executable` being its name or path. Raises PM2Error when it is not there."""
    found = transport.find_executable(executable)
    if not found:
        raise PM2Error(
            f"pm2 was not found as {executable!r}; set executable to its absolute path, "
            "for nvm something like ~/.nvm/versions/node/v24.0.0/bin/pm2"
        )
    return Program(found, transport.clean_environment(caller, home, found), timeout, idle)


def make_host(
    home: Path,
    way: str,
    executable: str,
    timeout: float,
    caller: Mapping[str, str],
    clock: Clock,
    secrets: Set[str],
) -> Host:
    """Return what there is to act with; whoever waits for something lets the watches look meanwhile.

    `caller` is the environment, and `secrets` what messages must not show, also what is added to the set later.
    """
    watches: List[Callable[[], None]] = []

    def idle() -> None:
        for watch in watches:
            watch()

    def pause(seconds: float) -> None:
        ends = clock.now() + seconds
        while clock.now() < ends:
            idle()
            clock.sleep(max(0.0, min(_TICK, ends - clock.now())))

    def program() -> Program:
        return find_program(executable, home, timeout, caller, idle)

    return Host(
        home,
        lambda: manage.connect(way, home, timeout, program, idle),
        program,
        Clock(clock.now, pause),
        watches,
        lambda text: report.hide(text, secrets),
    )


def make_plan(request: Request, host: Host, before: State, uid: int) -> Plan:
    """Return what must be done, everything checked that can be checked before anything is touched. Raises PM2Error."""
    manage.refuse(request, host.home, before, uid)
    plan = pm2_plan.make_plan(request, before, host.home)
    manage.prepare(request, host, plan)
    return plan


def act(request: Request, host: Host, uid: int) -> Done:
    """Do what is wanted of a process. Raises PM2Error."""
    before = manage.read_state(host, request.name)
    plan = make_plan(request, host, before, uid)
    if not before.instances and not plan.changed:
        # There may be no daemon to ask: PM2 was killed, and what it ran with it.
        return Done(request, before, plan, Outcome(before, None, 0.0, [], None))
    return Done(request, before, plan, manage.carry_out(request, host, before, plan))


def begin_stop(request: Request, host: Host, uid: int) -> Callable[[], Done]:
    """Stop a process, and when it is gone return what waits for PM2 to know it. Both raise PM2Error."""
    before = manage.read_state(host, request.name)
    plan = make_plan(request, host, before, uid)
    if not plan.changed:
        done = act(request, host, uid)
        return lambda: done
    outcome = manage.begin_stop(request, host, before)
    return lambda: Done(request, before, plan, outcome())
