# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Orders for all instances of a process, one after another, each done when the kernel confirms it."""

from __future__ import annotations

from typing import Any, Callable, List, Mapping, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Instance, Readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2.readiness import Clock
from ansible_collections.greenlight.release.plugins.module_utils._pm2.transport import Transport

Changes = Mapping[int, Mapping[str, Any]]


class ReloadError(PM2Error):
    """A new instance does not serve; `seen` is its last measurement, and `left` of them were left as they were."""

    def __init__(self, seen: Readiness, left: int) -> None:
        reason = f"{seen.reason}; the other {left} instances were left as they were"
        super().__init__(reason)
        self.seen = Readiness(False, reason, seen.instances, seen.ports)


def runs(instance: Instance) -> bool:
    """Say whether an instance is online with a process; PM2 may show one without."""
    return instance.status == "online" and bool(instance.pid) and proc.is_alive(instance.pid)


def needs_start(instances: Sequence[Instance]) -> bool:
    return not instances or not all(runs(instance) for instance in instances)


def is_stale(instance: Instance) -> bool:
    """Say whether an instance runs in the folder of an older release than its path leads to now."""
    return bool(instance.pid and process.stale_folder(instance, proc.working_folder(instance.pid)))


def start(transport: Transport, instances: Sequence[Instance], changes: Changes) -> None:
    """Start what does not run. What is between two crashes or half started is ended first, or it would run twice."""
    for instance in instances:
        if runs(instance):
            continue
        wanted = changes.get(instance.pm_id, {})
        # One that just crashed is stopped too, but PM2 still has its pid and starts it in a moment.
        if instance.status not in ("stopped", "errored") or instance.pid:
            transport.stop(instance.pm_id)()
            wanted = {"watch": instance.watch, **wanted} if instance.watch else wanted
        # Only a restart takes changes, and of a stopped instance it is a start.
        if wanted:
            transport.restart(instance.pm_id, wanted)
        else:
            transport.start(instance.pm_id)


def resurrect(transport: Transport, name: str, saved: Sequence[Mapping[str, Any]]) -> None:
    """Create the instances of one process again as they were saved; `pm2 resurrect` would create those of all."""
    for each in saved:
        transport.create(each)
    start(transport, process.instances_of(transport.processes(), name), {})


def restart(transport: Transport, instances: Sequence[Instance], changes: Changes) -> None:
    for instance in instances:
        if runs(instance):
            transport.restart(instance.pm_id, changes.get(instance.pm_id, {}))
        else:
            start(transport, [instance], changes)


def reload(
    transport: Transport,
    instances: Sequence[Instance],
    changes: Changes,
    await_ready: Callable[[int], Readiness],
) -> None:
    """Replace the instances one after another, the next one only when the last one serves.

    In fork mode PM2 can only restart. Raises ReloadError when a new instance does not serve; those that had not their
    turn run on as they were.
    """
    for left, instance in zip(range(len(instances) - 1, -1, -1), instances):
        if runs(instance) and instance.exec_mode == "cluster_mode":
            transport.reload(instance.pm_id, changes.get(instance.pm_id, {}))
        else:
            restart(transport, [instance], changes)
        seen = await_ready(instance.pm_id) if left else None
        if seen and not seen.ready:
            raise ReloadError(seen, left)


def delete(transport: Transport, instances: Sequence[Instance]) -> None:
    for instance in instances:
        transport.delete(instance.pm_id)


def stop(
    transport: Transport,
    instances: Sequence[Instance],
    port: int,
    timeout: float,
    clock: Clock,
    unscheduled: bool = False,
) -> Callable[[], None]:
    """Stop the instances, wait until their processes are gone, and return what waits until PM2 knows that.

    PM2 checks only every tenth of a second whether a process has ended (`God.processIsDead`); until it knows, it must
    not be asked to start them. `port` is one more port that must be free then, 0 for none. Raises PM2Error when a
    process outlives `timeout` seconds, or when something else holds a port. With `unscheduled` PM2 also forgets when it
    is to start them, where it can be asked for that.
    """
    families = {each.pm_id: proc.with_descendants([each.pid]) if each.pid else set() for each in instances}
    sockets = proc.sockets_of(pid for family in families.values() for pid in family)
    running = [each for each in instances if each.status != "stopped" or each.pid]
    answers = [
        transport.stop_unscheduled(each.pm_id) if unscheduled and each.schedule else transport.stop(each.pm_id)
        for each in running
    ]
    for each in running:
        _await_end(each.name, families[each.pm_id], timeout, clock)

    def left() -> List[proc.Listener]:
        return [each for each in proc.listeners() if each.inode in sockets or each.port == port]

    def await_pm2() -> None:
        for answer in answers:
            answer()

    _await_free(left, timeout, clock)
    return await_pm2


def _await_end(name: str, family: Set[int], timeout: float, clock: Clock) -> None:
    began = clock.now()
    while any(proc.is_alive(pid) for pid in family):
        if clock.now() - began >= timeout:
            left = ", ".join(str(pid) for pid in sorted(family) if proc.is_alive(pid))
            raise PM2Error(f"{name} was stopped, but process {left} still runs after {timeout:g} seconds; end it")
        clock.sleep(0.02)


def _await_free(left: Callable[[], List[proc.Listener]], timeout: float, clock: Clock) -> None:
    began = clock.now()
    while True:
        open_still = left()
        if not open_still:
            return
        if clock.now() - began >= timeout:
            port = open_still[0].port
            holders = [f"process {pid} ({name})" for pid, name in sorted(proc.holders_of_port(port).items())]
            who = ", ".join(holders) or "a process of another user"
            raise PM2Error(f"The app was stopped, but {who} still listens on port {port}; end it")
        clock.sleep(0.02)
