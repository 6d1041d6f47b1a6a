# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to a process of PM2, through the daemon's socket, and looked at afterwards."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils import _pm2, _proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import Instance, Readiness, Wanted
from ansible_collections.greenlight.release.plugins.module_utils._pm2_rpc import Client, PM2Error


@dataclass(frozen=True)
class Clock:
    """Time as arguments: a monotonic clock in seconds, and a pause."""

    now: Callable[[], float]
    sleep: Callable[[float], None]


def home_of(given: Optional[str], environment: Mapping[str, str]) -> Path:
    """Return the PM2_HOME that is meant: the given one, else the environment's, else .pm2 of the user."""
    return Path(given or environment.get("PM2_HOME") or Path.home() / ".pm2")


def daemon_pid(home: Path) -> int:
    """Return the pid of the daemon, 0 when it has left none."""
    try:
        return int((home / "pm2.pid").read_text().strip() or 0)
    except (OSError, ValueError):
        return 0


def ports_of(instance: Instance, daemon: int) -> List[int]:
    """Return the ports an instance serves. In cluster mode the daemon holds the socket for its workers."""
    processes = _proc.with_descendants([instance.pid]) if instance.pid else set()
    if instance.exec_mode == "cluster_mode" and daemon:
        processes = processes | {daemon}
    return _proc.listening_ports(processes)


def look(client: Client, home: Path, name: str, wanted: Wanted) -> Readiness:
    """Look at a process once."""
    daemon = daemon_pid(home)
    instances = _pm2.read_instances(client, name)
    return _pm2.judge(instances, wanted, _proc.is_alive, lambda instance: ports_of(instance, daemon))


def orphans(home: Path, name: str, known: Sequence[Instance]) -> List[int]:
    """Return processes that PM2 once started for the app and no longer knows, as a killed daemon leaves behind.

    PM2 gives every process its own PM2_HOME and name in the environment.
    """
    running = _proc.with_descendants(instance.pid for instance in known if instance.pid)
    found = _proc.with_environment({"PM2_HOME": str(home), "name": name})
    return [pid for pid in found if pid not in running]


def refuse_orphans(home: Path, name: str, known: Sequence[Instance]) -> None:
    """Raise PM2Error when a process of the app runs that PM2 does not know: a second one would fight with it."""
    found = orphans(home, name, known)
    if found:
        raise PM2Error(
            f"{name} still runs as process {', '.join(map(str, found))}, which the PM2 daemon of {home} does not know; "
            "end it before PM2 starts another one"
        )


def start(client: Client, instances: Sequence[Instance]) -> None:
    for instance in instances:
        if instance.status != "online":
            client.call("startProcessId", instance.pm_id)


def restart(client: Client, instances: Sequence[Instance]) -> None:
    for instance in instances:
        client.call("restartProcessId", {"id": instance.pm_id, "env": {}})


def reload(client: Client, instances: Sequence[Instance]) -> None:
    """Replace cluster instances one after another; in fork mode PM2 can only restart."""
    for instance in instances:
        method = "reloadProcessId" if instance.exec_mode == "cluster_mode" else "restartProcessId"
        client.call(method, {"id": instance.pm_id, "env": {}})


def delete(client: Client, instances: Sequence[Instance]) -> None:
    for instance in instances:
        client.call("deleteProcessId", instance.pm_id)


def stop(client: Client, instances: Sequence[Instance], timeout: float, clock: Clock) -> bool:
    """Stop the instances, wait until their processes are gone, and say whether one had to be killed.

    PM2 sends SIGKILL after the instance's kill_timeout. Raises PM2Error when a process outlives C(timeout) seconds.
    """
    killed = False
    for instance in instances:
        if instance.status == "stopped" and not instance.pid:
            continue
        family = _proc.with_descendants([instance.pid]) if instance.pid else set()
        began = clock.now()
        client.call("stopProcessId", instance.pm_id)
        killed = killed or (clock.now() - began) * 1000 >= instance.kill_timeout
        while any(_proc.is_alive(pid) for pid in family):
            if clock.now() - began >= timeout:
                left = ", ".join(str(pid) for pid in sorted(family) if _proc.is_alive(pid))
                raise PM2Error(f"{instance.name} was stopped, but process {left} still runs after {timeout:g} seconds")
            clock.sleep(0.02)
    return killed


def run_program(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> None:
    """Run the pm2 program with exactly this environment. Raises PM2Error with its last words when it fails."""
    try:
        done = subprocess.run(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PM2Error(f"pm2 {command[1]} did not end in {timeout:g} seconds; raise timeout") from error
    except OSError as error:
        raise PM2Error(f"Cannot run {command[0]}: {error.strerror}; set executable to the pm2 program") from error
    if done.returncode != 0:
        words = [line for line in done.stdout.decode("utf-8", "replace").splitlines() if line.strip()]
        raise PM2Error(f"pm2 {command[1]} failed with status {done.returncode}: {' | '.join(words[-3:])}")


def explain(name: str, readiness: Readiness) -> str:
    """Return one sentence why a process is not ready, with the end of its error log."""
    lines = [line for path in {i.err_log for i in readiness.instances} for line in _pm2.last_lines(path)]
    quoted = f". Its error log ends with: {' | '.join(lines)}" if lines else ""
    return f"{name} is not ready: {readiness.reason}{quoted}"
