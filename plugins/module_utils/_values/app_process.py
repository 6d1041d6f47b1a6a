# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of PM2 that one release is made of, and what each of them does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

SERVES, WORKS, RUNS = "serves", "works", "runs"
ROLES = (SERVES, WORKS, RUNS)
_PLACES = ("port", "ports", "socket")
_KEYS = ("name", "role", *_PLACES)
_HIGHEST_PORT = 65535
# Names that mean other processes to PM2.
_PM2_WORDS = re.compile(r"all|\d+|/.*/")


class ProcessesError(GreenlightError):
    """A list of processes that cannot be meant as it is written."""


@dataclass(frozen=True)
class AppProcess:
    """A process of PM2 by its name, and what it does.

    One that `serves` listens on all `ports`, or on a unix `socket`, and without both anywhere. One that `works` stays
    alive, and listens nowhere. One that `runs` does its work at its own times, and may have ended.
    """

    name: str
    role: str = SERVES
    ports: Tuple[int, ...] = ()
    socket: str = ""

    @property
    def port(self) -> Optional[int]:
        """The port that must be served, 0 for none, None for any."""
        if self.ports:
            return self.ports[0]
        return None if self.role == SERVES and not self.socket else 0

    def as_fact(self) -> Dict[str, Any]:
        """Return it as a user writes it."""
        places = {"ports": list(self.ports), "socket": self.socket}
        return {"name": self.name, "role": self.role, **{name: value for name, value in places.items() if value}}


def parse(listed: Any) -> Tuple[AppProcess, ...]:
    """Return the processes of a list. Raises ProcessesError that names the item by its number, and the key."""
    parsed = of_facts(listed)
    names = [each.name for each in parsed]
    for number, name in enumerate(names, 1):
        if _PM2_WORDS.fullmatch(name):
            raise ProcessesError(f"item {number}: name must be that of one process of PM2, not {name!r}")
        if name in names[: number - 1]:
            raise ProcessesError(f"item {number}: {name} is named twice; name each process once")
    if parsed and all(each.role == RUNS for each in parsed):
        raise ProcessesError("No process of the list serves or works, so nothing can be measured; list one that does")
    return parsed


def of_facts(listed: Any) -> Tuple[AppProcess, ...]:
    """Return the processes of a release record, of which some have joined the release with the name that PM2 gave.

    Raises ProcessesError that names the item by its number, and the key.
    """
    if not isinstance(listed, (list, tuple)):
        raise ProcessesError(f"The processes must be a list of mappings, not {listed!r}")
    return tuple(_parse_item(f"item {number}", item) for number, item in enumerate(listed, 1))


def app_of(processes: Sequence[AppProcess]) -> AppProcess:
    """Return the process that is measured: the first one that serves, or where none serves the first one that works."""
    return min(processes, key=lambda each: ROLES.index(each.role))


def chosen(listed: Any, name: str, port: Any) -> Tuple[AppProcess, ...]:
    """Return the processes of a list, or without one the process of that name, 0 for any port. Raises ProcessesError.

    With a list `name` must be that of the process that is measured, and `port` must not be given besides.
    """
    parsed = parse(listed)
    number = _port("greenlight_port", port) if port not in (0, "0") else 0
    if not parsed:
        return (AppProcess(name, SERVES, (number,) if number else ()),)
    app = app_of(parsed)
    if name not in ("", app.name):
        raise ProcessesError(
            f"greenlight_process_name is {name}, but {app.name} is the first process of greenlight_processes that "
            f"{app.role}; leave greenlight_process_name out, or put {name} first"
        )
    if number:
        raise ProcessesError(
            f"greenlight_port is {number} beside greenlight_processes; write the port to {app.name} in that list"
        )
    return parsed


def joined(processes: Sequence[AppProcess], holders: Sequence[Mapping[str, Any]]) -> List[AppProcess]:
    """Return the processes of PM2 that are not listed and have the database open: they belong to the release too.

    `holders` are those of pm2_process_info.
    """
    listed = [each.name for each in processes]
    found = {str(each["process"]): str(each["role"]) for each in holders if each["process"] not in ("", *listed)}
    return [AppProcess(name, role) for name, role in found.items()]


def tell_joined(process: AppProcess) -> str:
    """Return the sentence about a process that belongs to a release and is not listed."""
    return (
        f"{process.name} has the database open; it is stopped and started with the release. List it in "
        "greenlight_processes, or name it in greenlight_allowed_holders where it must be left alone"
    )


def _parse_item(where: str, item: Any) -> AppProcess:
    if not isinstance(item, Mapping):
        raise ProcessesError(f"{where} must be a mapping with name and role, not {item!r}")
    for key in item:
        if key not in _KEYS:
            raise ProcessesError(f"{where}: {key} is no key of a process; use {', '.join(_KEYS)}")
    name, role = item.get("name"), item.get("role")
    if not isinstance(name, str) or not name.strip():
        raise ProcessesError(f"{where}: name must be that of one process of PM2, not {name!r}")
    if role not in ROLES:
        raise ProcessesError(f"{where}: role must be {', '.join(ROLES[:-1])} or {ROLES[-1]}, not {role!r}")
    given = [place for place in _PLACES if item.get(place) is not None]
    if given and role != SERVES:
        raise ProcessesError(f"{where}: {given[0]} is for a process that serves, and {name} {role}; leave it out")
    if len(given) > 1:
        raise ProcessesError(f"{where}: give {given[0]} or {given[1]} to {name}, not both")
    return AppProcess(str(name), str(role), _ports(where, item), _socket(where, item.get("socket")))


def _ports(where: str, item: Mapping[str, Any]) -> Tuple[int, ...]:
    if item.get("port") is not None:
        return (_port(f"{where}: port", item["port"]),)
    ports = item.get("ports")
    if ports is None:
        return ()
    if not isinstance(ports, (list, tuple)) or not ports:
        raise ProcessesError(f"{where}: ports must be a list of at least one port, not {ports!r}")
    return tuple(dict.fromkeys(_port(f"{where}: ports", port) for port in ports))


def _port(where: str, port: Any) -> int:
    """Return a port, which may be a text, as a template or a command line gives it."""
    text = str(port)
    if isinstance(port, bool) or not text.isdecimal() or not 0 < int(text) <= _HIGHEST_PORT:
        raise ProcessesError(f"{where} must be a number from 1 to {_HIGHEST_PORT}, not {port!r}")
    return int(text)


def _socket(where: str, path: Any) -> str:
    if path is None:
        return ""
    if not isinstance(path, str) or not Path(path).is_absolute():
        raise ProcessesError(f"{where}: socket must be the absolute path of a unix socket, not {path!r}")
    return str(path)
