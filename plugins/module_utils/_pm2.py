# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of PM2 as values, and what it takes to call them ready or stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2_rpc import Client, PM2Error, ProtocolError

# Of the variables that a caller may have, PM2 and Node need these; all others would leak into the app.
CLEAN_ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Instance:
    """One instance of a process. Uptime is the start in milliseconds since 1970; memory is in bytes, cpu in percent."""

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

    def as_result(self) -> Dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Readiness:
    """Whether a process serves; C(reason) is empty when it does."""

    ready: bool
    reason: str
    instances: List[Instance]
    ports: List[int]


@dataclass(frozen=True)
class Wanted:
    """What ready means: a port (0 for any), and the folder that the script must really lie in (empty for any)."""

    port: int = 0
    path_under: str = ""


def parse_instance(process: Mapping[str, Any]) -> Instance:
    """Read one element of what C(getMonitorData) or C(pm2 jlist) returns; nothing of its environment is kept."""
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
        kill_timeout=int(env.get("kill_timeout") or 1600),
    )


def parse_jlist(output: str) -> List[Instance]:
    """Read the output of C(pm2 jlist), before which PM2 may print a banner or a warning. Raises ProtocolError."""
    for line in output.splitlines():
        if line.startswith("["):
            try:
                return [parse_instance(process) for process in json.loads(line)]
            except ValueError:
                continue
    raise ProtocolError("pm2 jlist printed no list of processes; run it by hand as the user who owns PM2_HOME")


def read_instances(client: Client, name: str) -> List[Instance]:
    """Return the instances whose name is exactly C(name), in the order of their ids."""
    listed = client.call("getMonitorData", {})
    if not isinstance(listed, list):
        raise ProtocolError("The PM2 daemon sent no list of processes")
    found = [parse_instance(process) for process in listed if str(process.get("name")) == name]
    return sorted(found, key=lambda instance: instance.pm_id)


def judge(
    instances: Sequence[Instance],
    wanted: Wanted,
    is_alive: Callable[[int], bool],
    ports_of: Callable[[Instance], List[int]],
) -> Readiness:
    """Say whether every instance is online, alive, listening, and runs a script of the wanted folder."""
    ports: Set[int] = set()
    reason = "" if instances else "PM2 knows no process of that name"
    for instance in instances:
        listening = ports_of(instance)
        ports.update(listening)
        reason = reason or _problem(instance, wanted, is_alive, listening)
    return Readiness(not reason, reason, list(instances), sorted(ports))


def _problem(instance: Instance, wanted: Wanted, is_alive: Callable[[int], bool], listening: Sequence[int]) -> str:
    shown = f"instance {instance.pm_id}"
    if instance.status != "online":
        return f"{shown} is {instance.status} after {instance.restarts} restarts"
    if not instance.pid or not is_alive(instance.pid):
        return f"{shown} is online in PM2, but its process {instance.pid} does not run"
    if wanted.path_under and not _lies_under(instance.script, wanted.path_under):
        return f"{shown} runs {instance.script}, which does not lie under {wanted.path_under}"
    if wanted.port and wanted.port not in listening:
        return f"{shown} does not listen on port {wanted.port}"
    if not listening:
        return f"{shown} listens on no port"
    return ""


def _lies_under(script: str, folder: str) -> bool:
    real, root = Path(script).resolve(), Path(folder).resolve()
    return real == root or root in real.parents


def restarted_since(before: Sequence[Instance], now: Sequence[Instance]) -> str:
    """Say which instance was restarted between two looks, in words; empty when none was."""
    known = {instance.pm_id: instance for instance in before}
    for instance in now:
        old = known.get(instance.pm_id)
        if old and (instance.restarts > old.restarts or (old.pid and instance.pid and instance.pid != old.pid)):
            return f"instance {instance.pm_id} was restarted {max(1, instance.restarts - old.restarts)} times"
    return ""


def wait_until_ready(
    look: Callable[[], Readiness],
    timeout: float,
    stable_for: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    interval: float = 0.1,
) -> Tuple[Readiness, float]:
    """Watch a process until it has been ready, without a restart, for C(stable_for) seconds.

    Returns the last look and the seconds until the first ready one. A process that is errored or was restarted ends the
    wait at once: PM2 shows C(online) between two crashes, so only the counter tells.
    """
    began = clock()
    first = seen = look()
    ready_at: Optional[float] = began if seen.ready else None
    while True:
        now = clock()
        crashed = restarted_since(first.instances, seen.instances)
        if crashed:
            return Readiness(False, crashed, seen.instances, seen.ports), now - began
        if seen.ready and ready_at is not None and now - ready_at >= stable_for:
            return seen, ready_at - began
        if any(instance.status == "errored" for instance in seen.instances) or now - began >= timeout + stable_for:
            return seen, now - began
        if not seen.ready and now - began >= timeout:
            return seen, now - began
        sleep(interval)
        seen = look()
        ready_at = (ready_at if ready_at is not None else clock()) if seen.ready else None


def last_lines(path: str, count: int = 8, span: int = 8192) -> List[str]:
    """Return the last lines of a log that are no stack frames, safe to print; none when it cannot be read."""
    try:
        with Path(path).open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - span))
            text = file.read(span).decode("utf-8", "replace")
    except OSError:
        return []
    lines = ["".join(c if c.isprintable() else " " for c in line).strip() for line in text.splitlines()]
    return [line[:300] for line in lines if line and not line.startswith("at ")][-count:]


def clean_environment(environment: Mapping[str, str], home: Path, extra: Mapping[str, str]) -> Dict[str, str]:
    """Return the environment for the pm2 program: what it needs, PM2_HOME, and what the app is to get."""
    kept = {name: environment[name] for name in CLEAN_ENVIRONMENT if name in environment}
    return {**kept, **extra, "PM2_HOME": str(home)}


def start_command(executable: str, name: str, options: Mapping[str, Any]) -> List[str]:
    """Return the argv that starts an unknown process, from an ecosystem file or from a script."""
    if options.get("config"):
        return [executable, "start", str(options["config"]), "--only", name]
    if not options.get("script"):
        raise PM2Error(f"PM2 knows no process called {name!r}; give config or script to start it")
    command = [executable, "start", str(options["script"]), "--name", name]
    for option in ("cwd", "interpreter", "instances"):
        if options.get(option):
            command += [f"--{option}", str(options[option])]
    return command + (["--", *options["args"]] if options.get("args") else [])
