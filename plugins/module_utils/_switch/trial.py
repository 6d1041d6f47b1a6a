# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The new revision is started beside the old one, on another port and a copy of the database.

Nothing is stopped for that, and PM2 knows nothing of it. What crashes there costs no user an answer.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._host import child, proc
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._host.files import explain, read_end
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._switch import leftovers, variables
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.output import quote

# How much memory must be free, as a multiple of what an instance of the old revision has.
_TIMES_THE_MEMORY = 2
_PAUSE = 0.05
_SHOWN_LINES, _SHOWN_BYTES = 3, 1 << 16
_NEW = "The new revision was tried beside the old one"


@dataclass(frozen=True)
class Trial:
    """The command of the app in the new tree, and the variables that lead it to another port."""

    words: Sequence[str]
    folder: Path
    variables: Mapping[str, str]
    port: int


class CannotTryError(GreenlightError):
    """The new revision cannot be started beside the old one; the message says why."""


def plan(inputs: Inputs, before: pm2.State, environment: Mapping[str, str], tree: Optional[Path] = None) -> Trial:
    """Return how the app is started in a tree, by default that of the new revision. Raises CannotTryError."""
    port, live = inputs.trial_port, inputs.processes.requirements.port
    instance = next((each for each in before.instances if each.pid), None)
    if not instance or not live:
        raise CannotTryError(
            "its port is not known; set greenlight_port" if instance else f"{inputs.processes.app} is down"
        )
    if port in proc.open_ports():
        raise CannotTryError(f"something listens on port {port} already; set another greenlight_trial_port")
    if free_memory() < _TIMES_THE_MEMORY * instance.memory:
        raise CannotTryError(f"there is less memory free than {_TIMES_THE_MEMORY} times what the old revision has")
    led = {name: str(port) for name, value in environment.items() if value == str(live)}
    kept = next(each["pm2_env"] for each in before.processes if each["pm_id"] == instance.pm_id)
    staged = tree or layout.stage_path(inputs.git, inputs.move)
    if tree is None and inputs.wanted:
        # An ecosystem file may want another command of the new revision.
        kept = {**kept, **inputs.wanted.kept}
    words = [_in_tree(word, layout.root_of(inputs.move), staged) for word in _words(kept)]
    cwd = str(kept.get("pm_cwd") if inputs.wanted and tree is None else instance.cwd)
    folder = Path(_in_tree(cwd, layout.root_of(inputs.move), staged))
    if staged != folder and staged not in folder.parents:
        raise CannotTryError(f"PM2 runs it in {cwd}, which is not in {layout.root_of(inputs.move)}")
    ported = [str(port) if word == str(live) else word for word in words]
    if not led and ported == words:
        raise CannotTryError(f"no variable of the app and no word of its command holds its port {live}")
    return Trial(ported, folder, led, port)


def free_memory(meminfo: str = "/proc/meminfo") -> int:
    """Return how many bytes new programs can have without swapping."""
    lines = Path(meminfo).read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)


def _words(kept: Mapping[str, Any]) -> List[str]:
    """Return the command that PM2 runs, from what it keeps of a process."""
    interpreter = str(kept.get("exec_interpreter") or "node")
    runs = [] if interpreter == "none" else [interpreter, *_list(kept.get("node_args"))]
    return [*runs, str(kept["pm_exec_path"]), *_list(kept.get("args"))]


def _list(given: Any) -> List[str]:
    return shlex.split(given) if isinstance(given, str) else [str(each) for each in given or []]


def _in_tree(word: str, root: Path, staged: Path) -> str:
    """Return the word; a path in the running tree is that in the new one."""
    for folder in (root, root.resolve()):
        if word == str(folder) or word.startswith(f"{folder}/"):
            return f"{staged}{word[len(str(folder)) :]}"
    return word


def run(inputs: Inputs, planned: Trial, environment: Mapping[str, str], told: str = _NEW) -> None:
    """Start the app, wait until it listens and stays alive for a while, and end it.

    Raises CommandError, which begins with what is `told` of the trial.
    """
    hide = variables.hiding(environment)
    given = {**leftovers.marked(environment, inputs.record["id"]), **planned.variables, "NODE_APP_INSTANCE": "0"}
    with tempfile.TemporaryFile() as said:
        problem = _watch(inputs, planned, given, said)
        if problem:
            words = quote(hide(read_end(said, _SHOWN_BYTES)).splitlines(), _SHOWN_LINES)
            raise CommandError(f"{told}, and {problem}" + (f". It said: {words}" if words else ""))


def _watch(inputs: Inputs, planned: Trial, environment: Dict[str, str], said: IO[bytes]) -> str:
    """Return what is wrong with the app, empty where it serves."""
    parent = os.getpid()
    # PM2 gives an app a channel, on which it may say that it is ready.
    ours, channel = socket.socketpair()
    with ours, channel:
        try:
            process = subprocess.Popen(
                list(planned.words),
                cwd=str(planned.folder),
                env={**environment, "NODE_CHANNEL_FD": str(channel.fileno())},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                pass_fds=[channel.fileno()],
                start_new_session=True,
                preexec_fn=lambda: child.die_with_parent(parent),
            )
        except OSError as error:
            return f"it cannot be started in {planned.folder}: {explain(error)}"
        try:
            return _problem(inputs, planned, process)
        finally:
            _end(inputs, process)


def _problem(inputs: Inputs, planned: Trial, process: subprocess.Popen[bytes]) -> str:
    clock, app = inputs.system.clock, inputs.processes
    ends = clock.now() + app.start_timeout
    ready = False
    while True:
        status = process.poll()
        if status is not None:
            return f"it ended with status {status}"
        if not ready and planned.port in proc.listening_ports(proc.with_descendants([process.pid])):
            ready, ends = True, clock.now() + app.stable_for
        if clock.now() >= ends:
            return "" if ready else f"it did not listen on port {planned.port} in {app.start_timeout:g} seconds"
        clock.sleep(_PAUSE)


def _end(inputs: Inputs, process: subprocess.Popen[bytes]) -> None:
    """End all that was started, which a process may have left behind. Raises CommandError."""
    with process:
        try:
            leftovers.end(inputs.record["id"], 0, inputs.system.clock)
        finally:
            process.kill()
