# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two ways to talk to PM2: the daemon's own socket, and the `pm2` program. What they do comes out the same."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import (
    Client,
    NoDaemonError,
    PM2Error,
    ProtocolError,
)

# Of the variables that a caller may have, PM2 and Node need these; all others would leak into the app.
CLEAN_ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR")

Listed = Dict[str, Any]


def home_of(given: Optional[str], environment: Mapping[str, str]) -> Path:
    """Return the PM2_HOME that is meant: the given one, else the environment's, else .pm2 of the user."""
    return Path(given or environment.get("PM2_HOME") or Path.home() / ".pm2")


def find_executable(name: str) -> Optional[str]:
    """Return the absolute path of a program that is given by a name on PATH, a path, or one below the user's home."""
    return shutil.which(os.path.expanduser(name))


def daemon_pid(home: Path) -> int:
    """Return the pid of the daemon as its pid file has it, 0 when that is missing, stale, or names another program."""
    try:
        pid = int((home / "pm2.pid").read_text().strip() or 0)
    except (OSError, ValueError):
        return 0
    return pid if "God Daemon" in proc.command_line(pid) else 0


def clean_environment(environment: Mapping[str, str], home: Path, executable: str) -> Dict[str, str]:
    """Return the environment for the pm2 program: what it needs, and PM2_HOME.

    The program is a script that asks PATH for node, which nvm keeps beside pm2.
    """
    kept = {name: environment[name] for name in CLEAN_ENVIRONMENT if name in environment}
    path = str(Path(executable).parent) + os.pathsep + environment.get("PATH", os.defpath)
    return {**kept, "PATH": path, "PM2_HOME": str(home)}


def parse_jlist(output: str) -> List[Listed]:
    """Read the output of `pm2 jlist`, before which PM2 may print a banner or a warning. Raises ProtocolError."""
    for line in output.split("\n"):
        if line.startswith("["):
            try:
                listed: List[Listed] = json.loads(line)
            except ValueError:
                continue
            return listed
    raise ProtocolError("pm2 jlist printed no list of processes; run it by hand as the user who owns PM2_HOME")


@dataclass(frozen=True)
class Program:
    """The pm2 program: its path, exactly the environment that it gets, its limit in seconds, what to do meanwhile."""

    executable: str
    environment: Mapping[str, str]
    timeout: float
    idle: Callable[[], None] = lambda: None

    def run(self, *words: str, folder: Optional[Path] = None, umask: Optional[int] = None) -> str:
        """Run it and return what it printed. Raises PM2Error with its last words when it fails or hangs."""
        return self.run_command([self.executable, *words], folder, umask)

    def run_command(self, command: Sequence[str], folder: Optional[Path] = None, umask: Optional[int] = None) -> str:
        """Run any program in the same way."""
        shown = f"{Path(command[0]).name} {command[1]}"
        try:
            process = subprocess.Popen(
                list(command),
                env=dict(self.environment),
                cwd=str(folder or "/"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                preexec_fn=None if umask is None else functools.partial(os.umask, umask),
            )
        except OSError as error:
            raise PM2Error(f"Cannot run {command[0]}: {error.strerror}; set executable to the pm2 program") from error
        output = self._wait(process, shown)
        if process.returncode != 0:
            words = [line for line in output.splitlines() if line.strip()]
            raise PM2Error(f"{shown} failed with status {process.returncode}: {' | '.join(words[-3:])}")
        return output

    def _wait(self, process: subprocess.Popen[bytes], shown: str) -> str:
        """Await the end in short waits, so that the time between can be used."""
        with process:
            for _wait in range(max(1, round(self.timeout * 50))):
                try:
                    return process.communicate(timeout=0.02)[0].decode("utf-8", "replace")
                except subprocess.TimeoutExpired:
                    self.idle()
            process.kill()
        raise PM2Error(f"{shown} did not end in {self.timeout:g} seconds; look whether PM2 hangs, or raise timeout")


class SocketTransport:
    """PM2 over the daemon's socket. No Node process starts, and a changed configuration can be handed over."""

    name = "socket"
    changes_live = True

    def __init__(self, client: Client) -> None:
        self._client = client
        self.daemon = client.daemon_pid
        self.version = str(client.call("getVersion", {}))

    def processes(self) -> List[Listed]:
        listed = self._client.call("getMonitorData", {})
        if not isinstance(listed, list):
            raise ProtocolError("The PM2 daemon sent no list of processes")
        return listed

    def create(self, saved: Mapping[str, Any]) -> None:
        self._client.call("prepare", dict(saved))

    def start(self, pm_id: int) -> None:
        self._client.call("startProcessId", pm_id)

    def stop(self, pm_id: int) -> Callable[[], Any]:
        return self._client.ask("stopProcessId", pm_id)

    def delete(self, pm_id: int) -> None:
        self._client.call("deleteProcessId", pm_id)

    def restart(self, pm_id: int, changes: Mapping[str, Any]) -> None:
        self._client.call("restartProcessId", _options(pm_id, changes))

    def reload(self, pm_id: int, changes: Mapping[str, Any]) -> None:
        self._client.call("reloadProcessId", _options(pm_id, changes))


def _options(pm_id: int, changes: Mapping[str, Any]) -> Dict[str, Any]:
    return {"id": pm_id, "env": {"current_conf": dict(changes)} if changes else {}}


class ProgramTransport:
    """PM2 over the pm2 program: slower, for a daemon that talks another protocol.

    The program takes a number for the name of a process before it takes it for an id, so a namesake is refused.
    """

    name = "program"
    changes_live = False

    def __init__(self, program: Program, home: Path) -> None:
        self.daemon = daemon_pid(home)
        # Without a daemon the program would start one to answer.
        if not self.daemon:
            raise NoDaemonError(f"No PM2 daemon runs for {home}; start the app, or set pm2_home")
        self._program = program
        self.version = ""

    def processes(self) -> List[Listed]:
        return parse_jlist(self._program.run("jlist", "--silent"))

    def create(self, saved: Mapping[str, Any]) -> None:
        raise PM2Error(f"The pm2 program cannot start {saved['name']} alone; run pm2 resurrect, which starts all")

    def start(self, pm_id: int) -> None:
        self._act("start", pm_id)

    def stop(self, pm_id: int) -> Callable[[], Any]:
        self._act("stop", pm_id)
        return lambda: None

    def delete(self, pm_id: int) -> None:
        self._act("delete", pm_id)

    def restart(self, pm_id: int, _changes: Mapping[str, Any]) -> None:
        self._act("restart", pm_id)

    def reload(self, pm_id: int, _changes: Mapping[str, Any]) -> None:
        self._act("reload", pm_id)

    def _act(self, action: str, pm_id: int) -> None:
        for process in self.processes():
            if str(pm_id) in (str(process["name"]), str(process.get("pm2_env", {}).get("namespace"))):
                raise PM2Error(
                    f"The pm2 program would take {pm_id} for the process or namespace of that name; "
                    "set transport to socket"
                )
        self._program.run(action, str(pm_id))
