# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of PM2 as values, and what it takes to call them ready."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import show

# What PM2 waits for between the signal to end and SIGKILL, in milliseconds: KILL_TIMEOUT in its constants.js.
KILL_TIMEOUT = 1600
# Folders of programs that run the code of others, such as npm, bash, bun and python3.
_PROGRAMS = ("bin", "sbin", ".bin")


@dataclass(frozen=True)
class Instance:
    """One instance of a process.

    `started_at`, `kill_timeout` and `listen_timeout` are in milliseconds, the first since 1970, the last 0 where the
    app says nothing; memory is in bytes, cpu in percent.
    `revision` is the commit that PM2 found in the working folder or the `repository` above it at the start, empty
    when there was none. `watch` is
    true or a list of paths where PM2 restarts it when a file changes; PM2 forgets that when a process is stopped.
    Without `autorestart` it may end, and `schedule` is when PM2 starts it whatever it does, empty for never.
    """

    pm_id: int
    name: str
    pid: int
    status: str
    restarts: int
    started_at: int
    memory: int
    cpu: float
    exec_mode: str
    script: str
    cwd: str
    out_log: str
    err_log: str
    node_version: str
    kill_timeout: int
    revision: str = ""
    watch: Any = False
    listen_timeout: int = 0
    autorestart: bool = True
    schedule: str = ""
    repository: str = ""

    @property
    def logs(self) -> List[Tuple[str, str]]:
        """The paths of its logs with their streams, where it writes any."""
        found = [(self.out_log, "out"), (self.err_log, "err")]
        return [(path, stream) for path, stream in found if path and path != os.devnull]

    def as_result(self, now: float, pm2_version: str) -> Dict[str, Any]:
        """Return the facts for a result: `now` is the time in seconds since 1970, and gives the uptime in seconds."""
        runs = self.status == "online" and self.started_at
        uptime = round(max(0.0, now - self.started_at / 1000), 3) if runs else 0.0
        facts = {**asdict(self), "uptime": uptime, "pm2_version": pm2_version}
        for name in ("watch", "listen_timeout", "autorestart", "schedule"):
            del facts[name]
        return facts


@dataclass(frozen=True)
class KernelState:
    """What the kernel says of an instance.

    `taking` are the ports on which it took a connection just now, and `stale` the folder of an older release that it
    still runs in, empty when it does not. `revision` is what the file of the wanted revision holds in the folder that
    its process works in, None when it cannot be read. It `connects` where it serves the wanted unix socket.
    """

    alive: bool
    listening: List[int]
    taking: List[int]
    stale: str = ""
    revision: Optional[str] = None
    connects: bool = False


@dataclass(frozen=True)
class Readiness:
    """Whether a process serves; `reason` is empty when it does. `final` is set where waiting would change nothing."""

    ready: bool
    reason: str
    instances: List[Instance]
    ports: List[int]
    final: bool = False


@dataclass(frozen=True)
class Requirements:
    """What ready means: a port (None for any, 0 for a process that serves none), and the folder of the script.

    `revision` is the text that the file `revision_path` must hold in the folder that the process really works in,
    `revision_path` is empty where any revision will do. `more_ports` are served besides `port`, and `socket` is the
    path of a unix socket, empty for none.
    """

    port: Optional[int] = None
    path_under: str = ""
    revision_path: str = ""
    revision: str = ""
    more_ports: Tuple[int, ...] = ()
    socket: str = ""

    @property
    def ports(self) -> Tuple[int, ...]:
        """Every port that must be served, none for any port and for no port."""
        return (self.port, *self.more_ports) if self.port else self.more_ports


def parse_instance(process: Mapping[str, Any]) -> Instance:
    """Read one element of what `getMonitorData` or `pm2 jlist` returns; nothing of its environment is kept."""
    env, monit = process.get("pm2_env", {}), process.get("monit", {})
    return Instance(
        pm_id=int(process["pm_id"]),
        name=str(process["name"]),
        pid=int(process.get("pid") or 0),
        status=str(env.get("status", "unknown")),
        restarts=int(env.get("restart_time") or 0),
        started_at=int(env.get("pm_uptime") or 0),
        memory=int(monit.get("memory") or 0),
        cpu=float(monit.get("cpu") or 0),
        exec_mode=str(env.get("exec_mode", "")),
        script=str(env.get("pm_exec_path", "")),
        cwd=str(env.get("pm_cwd", "")),
        out_log=str(env.get("pm_out_log_path", "")),
        err_log=str(env.get("pm_err_log_path", "")),
        node_version=str(env.get("node_version", "")),
        kill_timeout=int(env.get("kill_timeout") or KILL_TIMEOUT),
        revision=str((env.get("versioning") or {}).get("revision") or ""),
        watch=env.get("watch") or False,
        listen_timeout=int(env.get("listen_timeout") or 0),
        autorestart=env.get("autorestart") is not False,
        repository=str((env.get("versioning") or {}).get("repo_path") or ""),
        schedule="" if str(env.get("cron_restart") or 0) == "0" else str(env["cron_restart"]),
    )


def requirements_of(params: Mapping[str, Any]) -> Requirements:
    """Return what ready means from the options of a module, None for what is not given. Raises PM2Error."""
    revision_path, revision, socket = params["revision_path"], params["revision"], params["socket"] or ""
    if (revision_path is None) != (revision is None):
        raise PM2Error("revision_path and revision count only together; give both, or neither")
    if revision_path is not None and (not revision_path.strip() or Path(revision_path).is_absolute()):
        raise PM2Error(f"revision_path must be relative to the working folder, not {revision_path!r}; correct it")
    if revision is not None and not revision.strip():
        raise PM2Error("revision is empty; give the text that revision_path must hold")
    if socket and not Path(socket).is_absolute():
        raise PM2Error(f"socket must be the absolute path of a unix socket, not {socket!r}")
    more, wanted = tuple(params["more_ports"]), (revision or "").strip()
    # A unix socket alone needs no port.
    port = 0 if socket and params["port"] is None else params["port"]
    return Requirements(port, params["path_under"] or "", revision_path or "", wanted, more, socket)


def named(listed: Sequence[Mapping[str, Any]], name: str) -> List[Mapping[str, Any]]:
    """Return the processes whose name is exactly `name`, in the order of their ids."""
    return sorted((each for each in listed if str(each.get("name")) == name), key=lambda each: int(each["pm_id"]))


def instances_of(listed: Sequence[Mapping[str, Any]], name: str) -> List[Instance]:
    """Return the instances whose name is exactly `name`, in the order of their ids."""
    return [parse_instance(process) for process in named(listed, name)]


def judge(
    instances: Sequence[Instance], requirements: Requirements, kernel_states: Mapping[int, KernelState]
) -> Readiness:
    """Say whether every instance is online, alive, serving, and runs a script of the wanted folder."""
    reasons = [_problem(instance, requirements, kernel_states[instance.pm_id]) for instance in instances]
    reason = next(filter(None, reasons), "") if instances else "PM2 knows no process of that name"
    ports = {port for kernel in kernel_states.values() for port in kernel.listening}
    return Readiness(not reason, reason, list(instances), sorted(ports))


def _problem(instance: Instance, requirements: Requirements, kernel: KernelState) -> str:
    shown = f"instance {instance.pm_id}"
    if instance.status != "online":
        return f"{shown} is {instance.status} after {instance.restarts} restarts"
    if not kernel.alive:
        return f"{shown} is online in PM2, but its process {instance.pid} does not run"
    wanted, code = requirements.path_under, code_of(instance)
    if wanted and not _lies_under(instance.script, wanted) and not _lies_under(code, wanted):
        runs = instance.script if code == instance.script else f"{instance.script} in {code}"
        return f"{shown} runs {runs}, which does not lie under {wanted}"
    if kernel.stale:
        return f"{shown} still runs in {kernel.stale}, which {code} no longer leads to"
    return _revision_problem(shown, requirements, kernel) or _place_problem(shown, requirements, kernel)


def _revision_problem(shown: str, requirements: Requirements, kernel: KernelState) -> str:
    if not requirements.revision_path or kernel.revision == requirements.revision:
        return ""
    if kernel.revision is None:
        return f"{shown} works in a folder where {requirements.revision_path} cannot be read"
    found, wanted = show(kernel.revision, 80), requirements.revision
    return f"{shown} runs revision {found!r} by {requirements.revision_path}, not {wanted!r}"


def _place_problem(shown: str, requirements: Requirements, kernel: KernelState) -> str:
    """Return why an instance does not serve where it should."""
    if requirements.socket and not kernel.connects:
        return f"{shown} takes no connection on the socket {requirements.socket}"
    if requirements.port == 0:
        return ""
    missing = [port for port in requirements.ports if port not in kernel.listening]
    if missing:
        return f"{shown} does not listen on port {missing[0]}"
    if not kernel.listening:
        return f"{shown} listens on no port"
    deaf = [port for port in requirements.ports if port not in kernel.taking]
    if not kernel.taking or deaf:
        served = ", ".join(map(str, deaf or kernel.listening))
        return f"{shown} takes no connection on port {served}; it does not listen there, or its event loop is blocked"
    return ""


def code_of(instance: Instance) -> str:
    """Return the path by which it shows which code runs: of a program such as npm it is the folder that it works in.

    A folder `bin` with a package.json above it is one of the app itself.
    """
    real = Path(instance.script).resolve()
    has_programs = real.parent.name in _PROGRAMS and not (real.parent.parent / "package.json").is_file()
    return instance.cwd if has_programs or "node_modules" in real.parts else instance.script


def _lies_under(script: str, folder: str) -> bool:
    real, root = Path(script).resolve(), Path(folder).resolve()
    return real == root or root in real.parents


def changed_links(path: str, since: int) -> List[str]:
    """Return the symbolic links in a path that were made after a time in milliseconds since 1970."""
    places = [Path(path), *Path(path).parents]
    links = [place for place in places if place.is_symlink()]
    return [str(link) for link in links if link.lstat().st_mtime_ns > since * 1_000_000]


def stale_folder(instance: Instance, works_in: str) -> str:
    """Return the folder of an older release that an instance still runs in, empty when it runs what its path leads to.

    A link in the path of its code that is newer than the process was flipped since. `works_in` is the folder that the
    process really works in; where PM2 started it through the same link, it shows whether the link was changed.
    """
    links = changed_links(code_of(instance), instance.started_at)
    if not links:
        return ""
    through = [link for link in links if link == instance.cwd or Path(link) in Path(instance.cwd).parents]
    if through and works_in and works_in == str(Path(instance.cwd).resolve()):
        return ""
    return works_in or instance.cwd


def restarted_since(before: Sequence[Instance], now: Sequence[Instance]) -> str:
    """Say which instance was restarted between two measurements, in words; empty when none was."""
    known = {instance.pm_id: instance for instance in before}
    for instance in now:
        old = known.get(instance.pm_id)
        if old and (instance.restarts > old.restarts or (old.pid and instance.pid and instance.pid != old.pid)):
            return f"instance {instance.pm_id} was restarted {max(1, instance.restarts - old.restarts)} times"
    return ""


def has_ended(instance: Instance) -> bool:
    """Say whether an instance that was started has ended, so that PM2 starts it later or not at all.

    PM2 keeps the pid of a process that it starts again at once, and forgets it where `autorestart` or
    `stop_exit_codes` say that it stays stopped: `handleExit` in lib/God.js.
    """
    return instance.status in ("errored", "waiting restart") or (instance.status == "stopped" and not instance.pid)


def wait_until_ready(
    measure: Callable[[], Readiness],
    timeout: float,
    stable_for: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    interval: float = 0.03,
    calm_interval: float = 0.5,
) -> Tuple[Readiness, float]:
    """Watch a process until it has been ready, without a restart, for `stable_for` seconds.

    Returns the last measurement and the seconds until the first ready one. A process that has ended or was restarted
    ends the wait at once: between two crashes PM2 shows `online` all the same. Between two measurements
    lie `interval` seconds until it is ready, and then at most `calm_interval`, as a measurement opens connections.
    """
    began = clock()
    first = seen = measure()
    ready_at: Optional[float] = clock() if seen.ready else None
    while True:
        now = clock()
        crashed = restarted_since(first.instances, seen.instances)
        if crashed:
            return Readiness(False, crashed, seen.instances, seen.ports, final=True), now - began
        if seen.ready and ready_at is not None and now - ready_at >= stable_for:
            return seen, ready_at - began
        ended = seen.final or any(has_ended(instance) for instance in seen.instances)
        if ended or (not seen.ready and now - began >= timeout):
            return replace(seen, final=ended), now - began
        left = 0.0 if ready_at is None else stable_for - (now - ready_at)
        sleep(min(calm_interval, max(interval, left)))
        seen = measure()
        ready_at = (ready_at if ready_at is not None else clock()) if seen.ready else None
