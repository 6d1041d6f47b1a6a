# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch does to the processes of PM2: the app is stopped and started or reloaded, and so are others with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import AbstractSet, Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.api import (
    Completed,
    Config,
    PM2Host,
    PortWatch,
    Readiness,
    Request,
    Requirements,
    State,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import (
    RUNS,
    SERVES,
    WORKS,
    AppProcess,
)

# Seconds that an instance has to take a connection.
_PATIENCE = 3.0


@dataclass(frozen=True)
class Processes:
    """The app, and the names of `others` that are restarted when it serves.

    Those of them that are `listed` are a part of the release: they are stopped and started with the app, each by what
    it does. `state` is what becomes of the app, started or reloaded; `uid` is the user who acts. `watch` has what PM2
    watches of each process by its name, since PM2 forgets it when a process is stopped. With `allow_root` the user may
    be root where another one can change a script. `configs` are those that an ecosystem file has, by the names.
    """

    host: PM2Host
    uid: int
    app: str
    state: str
    requirements: Requirements
    stable_for: float
    timeout: float
    start_timeout: float
    stop_timeout: float
    save: bool = False
    config: Optional[Config] = None
    others: Tuple[str, ...] = ()
    watch: Mapping[str, Any] = field(default_factory=dict)
    allow_root: bool = False
    schedules: Mapping[str, str] = field(default_factory=dict)
    listed: Tuple[AppProcess, ...] = ()
    configs: Mapping[str, Config] = field(default_factory=dict)

    def named(self, name: str) -> Optional[AppProcess]:
        """Return what a listed process does, None for one that is not listed."""
        return next((each for each in self.listed if each.name == name), None)

    def with_members(self) -> Processes:
        """Return these with every listed process among the others."""
        members = [each.name for each in self.listed if each.name != self.app]
        return replace(self, others=tuple(dict.fromkeys([*members, *self.others])))

    @property
    def members(self) -> List[AppProcess]:
        """The listed processes besides the app."""
        return [each for each in self.listed if each.name in self.others]

    @property
    def leading(self) -> List[str]:
        """The names of the members that stand before the app, and are started before it; jobs are never started."""
        names = [each.name for each in self.listed]
        ahead = names[: names.index(self.app)] if self.app in names else []
        return [each.name for each in self.members if each.name in ahead and each.role != RUNS]


def requirements_of(process: AppProcess, path_under: str = "") -> Requirements:
    """Return what ready means for a listed process."""
    return Requirements(process.port, path_under, more_ports=process.ports[1:], socket=process.socket)


def _ending(processes: Processes, name: str, unscheduled: bool = True) -> Request:
    return Request(name, "stopped", None, Requirements(), 0, processes.stop_timeout, False, unscheduled=unscheduled)


def _beginning(processes: Processes) -> Request:
    return Request(
        processes.app,
        processes.state,
        processes.configs.get(processes.app, processes.config),
        processes.requirements,
        processes.stable_for,
        processes.start_timeout,
        processes.save,
        processes.watch.get(processes.app),
        processes.allow_root,
        processes.schedules.get(processes.app, ""),
    )


def _other(processes: Processes, name: str) -> Request:
    """Return what is wanted of another process, of which without a list is only known that it must stay alive."""
    listed = processes.named(name)
    is_reloaded = processes.state == "reloaded" and listed is not None and listed.role == SERVES
    return Request(
        name,
        "reloaded" if is_reloaded else "restarted",
        processes.configs.get(name),
        requirements_of(listed) if listed else Requirements(0),
        processes.stable_for,
        processes.start_timeout,
        False,
        processes.watch.get(name),
        processes.allow_root,
        processes.schedules.get(name, ""),
    )


def check(processes: Processes, with_others: bool) -> State:
    """Return what PM2 says of the app. Raises PM2Error where the switch could not be made.

    From then on messages do not show the secrets of the app.
    """
    host, uid = processes.host, processes.uid
    before = pm2.read_state(host, processes.app)
    host.secrets.update(pm2.running_secrets(before.processes, processes.app))
    pm2.checked_plan(_beginning(processes), host, before, uid)
    if processes.save:
        host.program()
        if with_others:
            # A rollback must not fail at a list that PM2 cannot save; it warns of that.
            pm2.refuse_no_room(host.home)
    for name in processes.others:
        state = pm2.read_state(host, name)
        host.secrets.update(pm2.running_secrets(state.processes, name))
        if with_others:
            pm2.checked_plan(_other(processes, name), host, state, uid)
    return before


def watch_port(processes: Processes, before: State) -> Optional[PortWatch]:
    """Begin to measure for how long the port of the app is closed; None where no port is known."""
    return pm2.watch_port(_beginning(processes), processes.host, before)


def pids(processes: Processes) -> Set[int]:
    """Return the processes of the app and of the others, and their children."""
    return pids_named(processes, (processes.app, *processes.others))


def pids_named(processes: Processes, names: Iterable[str]) -> Set[int]:
    """Return the processes that PM2 runs under these names, and their children."""
    return {pid for name in names for pid in _pids_of(processes, name)}


def _pids_of(processes: Processes, name: str) -> Set[int]:
    own = {each.pid for each in pm2.read_state(processes.host, name).instances if each.pid}
    return own | proc.with_descendants(own)


def forgotten_when_stopped(processes: Processes) -> Tuple[Dict[str, Any], Dict[str, str]]:
    """Return what PM2 watches of the app and of the others, by name, and when it starts them. Raises PM2Error."""
    watch, schedules = {}, {}
    for name in (processes.app, *processes.others):
        for instance in pm2.read_state(processes.host, name).instances:
            watch.update({name: instance.watch} if instance.watch else {})
            schedules.update({name: instance.schedule} if instance.schedule else {})
    return watch, schedules


def refuse_watched(before: State, name: str) -> None:
    """Raise PM2Error for an app that PM2 would restart, all instances at once, as soon as its code is moved."""
    if any(instance.watch for instance in before.instances):
        raise PM2Error(
            f"PM2 watches the files of {name} and would restart it when its code is moved; set watch to false, or "
            "choose the strategy restart"
        )


def read(processes: Processes) -> State:
    """Return what PM2 says of the app now. Raises PM2Error."""
    return pm2.read_state(processes.host, processes.app)


def was_started(seen: State) -> bool:
    """Say whether the stopped app runs: its cron_restart started it, or a person."""
    return any(each.status == "online" and each.pid and proc.is_alive(each.pid) for each in seen.instances)


def refuse_started(processes: Processes) -> None:
    """Raise PM2Error where the stopped app or one that was stopped with it runs, since a migration must run alone."""
    for name in (processes.app, *(each.name for each in processes.members)):
        if was_started(pm2.read_state(processes.host, name)):
            raise PM2Error(
                f"{name} was started by something else while it was stopped for its migration; look for "
                "cron_restart in its settings, and for people and jobs that run pm2"
            )


def unlisted_among(processes: Processes, holders: AbstractSet[int], allowed: Sequence[str]) -> List[AppProcess]:
    """Return what the same PM2 runs of the `holders`, but for what is known already or `allowed`. Raises PM2Error."""
    known = (processes.app, *processes.others, *allowed)
    running = [each for each in pm2.read_all(processes.host) if each.pid and each.name not in known]
    found = {each.name: each for each in running if proc.with_descendants([each.pid]) & holders}
    return [AppProcess(name, WORKS if each.autorestart else RUNS) for name, each in sorted(found.items())]


def begun_jobs(processes: Processes) -> Dict[str, List[int]]:
    """Return how often each listed job was started, and when last: PM2 cannot be kept from starting one that is due."""
    jobs = [each.name for each in processes.members if each.role == RUNS]
    states = {name: pm2.read_state(processes.host, name) for name in jobs}
    return {
        name: [number for each in state.instances for number in (each.restarts, each.started_at)]
        for name, state in states.items()
    }


def refuse_begun(processes: Processes, known: Mapping[str, Sequence[int]]) -> None:
    """Raise PM2Error where a job has begun since, even one that has ended by now: it may have written meanwhile."""
    for name, now in begun_jobs(processes).items():
        if name in known and list(known[name]) != now:
            raise PM2Error(
                f"The job {name} began while the app was stopped for its migration; release at another time than "
                "its cron_restart"
            )


def stopped_with_the_app(processes: Processes, holders: Callable[[], AbstractSet[int]]) -> List[str]:
    """Return the names of the others that are stopped with the app: every listed one, and a job only at its work.

    Of what is not listed that is what has the database open, which `holders` says.
    """
    listed = [each.name for each in processes.members if _is_stopped(processes, each)]
    named = [name for name in processes.others if not processes.named(name)]
    found = holders() if named else set()
    return [*listed, *(name for name in named if _pids_of(processes, name) & found)]


def _is_stopped(processes: Processes, member: AppProcess) -> bool:
    """Say whether a member is stopped with the app. What somebody has deleted meanwhile keeps no rollback from it."""
    instances = pm2.read_state(processes.host, member.name).instances
    return bool(instances) and (member.role != RUNS or any(each.pid for each in instances))


def stop(processes: Processes, others: Sequence[str] = (), with_app: bool = True) -> Callable[[], List[Completed]]:
    """Stop `others` and then the app until their processes are gone, and return what waits for PM2.

    PM2 still knows when to start a job, which is not started at the end of the switch. Both raise PM2Error.
    """
    ending = [_ending(processes, name, not is_job(processes, name)) for name in others]
    ending += [_ending(processes, processes.app)] if with_app else []
    waiting = [pm2.stop(request, processes.host, processes.uid) for request in ending]
    return lambda: [wait() for wait in waiting]


def start(processes: Processes, known: Optional[State] = None) -> Completed:
    """Start or reload the app, and wait until it is ready and stays so. Raises PM2Error.

    `known` is what PM2 said of it just now: nobody is served while it is asked again.
    """
    return pm2.act(_beginning(processes), processes.host, processes.uid, known)


def observe(processes: Processes, log_files: Sequence[Mapping[str, Any]], now: float) -> Dict[str, Any]:
    """Watch an app that is left alone, and return what was seen. Raises PM2Error where PM2 cannot be asked."""
    requirements, stable_for = processes.requirements, processes.stable_for
    seen, state = pm2.observe(processes.host, processes.app, requirements, _PATIENCE, stable_for)
    return {"process": _describe(seen, pm2.report.facts(state, now), log_files)}


def _describe(seen: Readiness, after: List[Dict[str, Any]], log_files: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    return {
        "ready": seen.ready,
        "reason": seen.reason,
        "processes": after,
        "ports": seen.ports,
        "log_files": list(log_files),
    }


def left_as_it_is(processes: Processes, name: str, was_stopped: bool) -> Optional[str]:
    """Return what to say of another process that is not restarted, "" for nothing; None for one that is to be.

    A job runs at its own times, and takes the new code then. `was_stopped` says that the switch stopped it. A process
    that may end, without a schedule, is restarted where it ran. Raises PM2Error.
    """
    state = pm2.read_state(processes.host, name)
    if not state.instances or not is_job(processes, name, state):
        return None
    runs, has_schedule = was_started(state), any(each.schedule for each in state.instances)
    if runs and has_schedule:
        return f"{name} is a job that still does what it began before; it takes the other code when it starts again"
    if was_stopped and has_schedule:
        return f"{name} is a job that was stopped at its work; it starts again at its schedule"
    return None if runs or was_stopped else ""


def is_job(processes: Processes, name: str, known: Optional[State] = None) -> bool:
    """Say whether a process may end by itself, so that it need not be online. `known` is what PM2 said of it just now.

    What the list says of it counts, and without that whether PM2 starts it again. Raises PM2Error.
    """
    listed = processes.named(name)
    if listed:
        return listed.role == RUNS
    state = known or pm2.read_state(processes.host, name)
    return bool(state.instances) and not any(each.autorestart for each in state.instances)


def restart_other(processes: Processes, name: str) -> Completed:
    """Restart another process than the app, and wait until it does what it should and goes on. Raises PM2Error."""
    return pm2.act(_other(processes, name), processes.host, processes.uid)


def start_ahead(processes: Processes, name: str) -> Completed:
    """Start a process that stands before the app: users wait, so that it goes on is seen when the app serves."""
    return pm2.act(replace(_other(processes, name), stable_for=0), processes.host, processes.uid)


def refuse_ended(processes: Processes, started: Completed) -> None:
    """Raise PM2Error where what was started before the app does not go on."""
    name, requirements = started.request.name, started.request.requirements
    seen, _state = pm2.observe(processes.host, name, requirements, _PATIENCE, 0)
    crashed = pm2.restarted_since(started.outcome.after.instances, seen.instances)
    if crashed or not seen.ready:
        raise PM2Error(f"{name} was ready before the app was started, and is not now: {crashed or seen.reason}")


def describe(completed: Completed, log_files: Sequence[Mapping[str, Any]], now: float) -> Dict[str, Any]:
    """Return what the start of the app came to; `now` is the time in seconds since 1970."""
    outcome = completed.outcome
    after = pm2.report.facts(outcome.after, now)
    seen = outcome.ready or Readiness(True, "", [], [])
    return {"after": after, "ready_after": round(outcome.ready_after, 3), "process": _describe(seen, after, log_files)}


def warnings(processes: Processes, completed: Sequence[Completed], program_version: str) -> List[str]:
    """Return once each what an operator should know of what was done, though it is no error."""
    found = [
        warning
        for each in completed
        for warning in pm2.report.warnings(
            each.request,
            each.before,
            each.outcome,
            processes.host.home,
            processes.uid,
            program_version,
            each.plan.action,
        )
    ]
    return [processes.host.hide(warning) for warning in dict.fromkeys(found)]
