# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One order to PM2 for one instance, over the daemon's own socket or by the `pm2` program, with the same outcome."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Protocol

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    NoDaemonError,
    PM2Error,
    ProtocolError,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import Client

Listed = Dict[str, Any]
# What PM2 takes for no cron_restart.
NO_SCHEDULE = "0"


def home_of(given: Optional[str], environment: Mapping[str, str]) -> Path:
    """Return the PM2_HOME that is meant: the given one, else the environment's, else .pm2 of the user."""
    return Path(given or environment.get("PM2_HOME") or Path.home() / ".pm2")


def daemon_pid(home: Path) -> int:
    """Return the pid of the daemon as its pid file has it, 0 when that is missing, stale, or names another program."""
    try:
        pid = int((home / "pm2.pid").read_text().strip() or 0)
    except (OSError, ValueError):
        return 0
    return pid if "God Daemon" in proc.command_line(pid) else 0


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


class Transport(Protocol):
    """What both classes below can do. `changes_live` says whether it hands changes over."""

    name: str
    changes_live: bool
    daemon: int
    version: str

    def processes(self) -> List[Dict[str, Any]]: ...

    def create(self, saved: Mapping[str, Any]) -> None: ...

    def start(self, pm_id: int) -> None: ...

    def stop(self, pm_id: int) -> Callable[[], Any]:
        """Ask for the end of a process and of its file watcher; what is returned waits until PM2 knows the end."""

    def stop_unscheduled(self, pm_id: int) -> Callable[[], Any]:
        """Do the same, and let PM2 forget when it is to start the process, where that can be asked for."""

    def delete(self, pm_id: int) -> None: ...

    def restart(self, pm_id: int, changes: Mapping[str, Any]) -> None: ...

    def reload(self, pm_id: int, changes: Mapping[str, Any]) -> None: ...


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
        # As the pm2 program does: a file watcher would start what was stopped.
        unwatched = self._client.ask("stopWatch", "stopProcessId", pm_id)
        stopped = self._client.ask("stopProcessId", pm_id)
        return lambda: (unwatched(), stopped())

    def stop_unscheduled(self, pm_id: int) -> Callable[[], Any]:
        unwatched = self._client.ask("stopWatch", "stopProcessId", pm_id)
        # Only a restart lets PM2 forget a schedule, and it starts nothing as long as the process has not ended. PM2
        # looks for that every tenth of a second, so the two come together.
        restart = ("restartProcessId", _options(pm_id, {"cron_restart": NO_SCHEDULE}))
        stopped, refused = self._client.ask_together(("stopProcessId", pm_id), restart)

        def answer() -> None:
            unwatched(), stopped()
            with contextlib.suppress(PM2Error):
                refused()
                # It had ended already.
                self.stop(pm_id)()

        return answer

    def delete(self, pm_id: int) -> None:
        self._client.call("stopWatch", "deleteProcessId", pm_id)
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

    def stop_unscheduled(self, pm_id: int) -> Callable[[], Any]:
        return self.stop(pm_id)

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
