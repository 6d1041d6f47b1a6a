# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel says of processes: their children, the ports they listen on, the files they have open.

Source: proc(5). A process that ends while it is being read, or belongs to another user, is skipped.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterable, Iterator, List, Optional, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import sockets, trust

PROC = sockets.PROC
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_FLAGS = re.compile(r"^flags:\s*([0-7]+)", re.MULTILINE)
FileId = trust.FileId


@dataclass(frozen=True)
class Listener:
    """A TCP socket that listens: its port, and an address at which this host reaches it."""

    address: str
    port: int
    inode: str


def pids(proc: Path = PROC) -> List[int]:
    return [int(entry.name) for entry in proc.iterdir() if entry.name.isdigit()]


def is_alive(pid: int, proc: Path = PROC) -> bool:
    """Say whether the process exists and is no zombie."""
    return _state_and_parent(pid, proc)[0] not in ("", "Z")


def program_of(pid: int, proc: Path = PROC) -> str:
    """Return the path of the program that a process runs, empty when it cannot be read."""
    try:
        return os.readlink(str(proc / str(pid) / "exe"))
    except OSError:
        return ""


def _state_and_parent(pid: int, proc: Path) -> Tuple[str, int]:
    """Return the state letter and the parent of a process, ("", 0) when it has ended."""
    try:
        # The name in parentheses may hold spaces and parentheses itself.
        fields = (proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return ("", 0)
    return (fields[0], int(fields[1]))


def with_descendants(roots: Iterable[int], proc: Path = PROC) -> Set[int]:
    """Return the processes and all that they have started, which a wrapper such as `npm start` needs."""
    children: Dict[int, List[int]] = {}
    for pid in pids(proc):
        children.setdefault(_state_and_parent(pid, proc)[1], []).append(pid)
    found: Set[int] = set()
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children.get(pid, []))
    return found


def _reachable(address: str) -> str:
    """Return the address, the loopback one where it means any."""
    return _LOOPBACK.get(address, address)


def listeners(proc: Path = PROC) -> List[Listener]:
    """Return every listening TCP socket, IPv4 and IPv6."""
    found = map(sockets.read_socket, sockets.listening_rows(proc))
    return [Listener(_reachable(each.local[0]), each.local[1], each.inode) for each in found]


def open_ports(proc: Path = PROC) -> Set[int]:
    """Return the TCP ports that anything listens on."""
    return {sockets.port_of(fields[1]) for fields in sockets.listening_rows(proc)}


def accepted(remote_ports: Iterable[int], proc: Path = PROC) -> Dict[Tuple[int, int], str]:
    """Return (local port, remote port) -> inode of the connections from these ports; 0 before one was accepted."""
    wanted = "|".join(f"{port:04X}" for port in remote_ports)
    row = re.compile(rf"^ *\d+: [0-9A-F]+:([0-9A-F]{{4}}) [0-9A-F]+:({wanted}) [0-9A-F]{{2}} (?:\S+ +){{5}}(\d+)", re.M)
    found = [match for rows in sockets.tables(proc) for match in row.findall(rows.read())]
    return {(int(local, 16), int(remote, 16)): inode for local, remote, inode in found}


def sockets_of(processes: Iterable[int], proc: Path = PROC) -> Set[str]:
    """Return the inodes of the sockets that the processes hold; those of other users are skipped."""
    found: Set[str] = set()
    for pid in processes:
        with contextlib.suppress(PermissionError):
            found.update(sockets.inodes_of(pid, proc))
    return found


def is_hidden(pid: int, proc: Path = PROC) -> bool:
    """Say whether the files of a process may not be seen: it is another user's, or has capabilities as by setcap."""
    try:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            os.scandir(str(proc / str(pid) / "fd")).close()
    except PermissionError:
        return True
    return False


def listening_ports(processes: Iterable[int], proc: Path = PROC) -> List[int]:
    """Return the TCP ports that the processes listen on, ascending."""
    held = sockets_of(processes, proc)
    return sorted({each.port for each in listeners(proc) if each.inode in held})


def holders_of_port(port: int, proc: Path = PROC) -> Dict[int, str]:
    """Return pid -> name of the processes that listen on a TCP port."""
    wanted = {each.inode for each in listeners(proc) if each.port == port}
    if not wanted:
        return {}
    return {pid: name_of(pid, proc) for pid in pids(proc) if wanted & sockets_of([pid], proc)}


def _descriptors(pid: int, proc: Path) -> Iterator[str]:
    """Yield the paths under /proc of a process's open files. They come and go, so using one may fail."""
    try:
        yield from [entry.path for entry in os.scandir(str(proc / str(pid) / "fd"))]
    except OSError:
        return


def open_paths(processes: Iterable[int], proc: Path = PROC) -> List[str]:
    """Return the absolute paths that the processes have open; those of other users are skipped."""
    found = set()
    for pid in processes:
        for place in _descriptors(pid, proc):
            with contextlib.suppress(OSError):
                found.add(os.readlink(place))
    return sorted(path for path in found if path.startswith("/") and not path.endswith(" (deleted)"))


def written_paths(processes: Iterable[int], proc: Path = PROC) -> List[str]:
    """Return the absolute paths that the processes have open to write to, and not to read, as logs are."""
    found = set()
    for pid in processes:
        for place in _descriptors(pid, proc):
            with contextlib.suppress(OSError):
                about = Path(place.replace("/fd/", "/fdinfo/")).read_text()
                flags = re.search(r"^flags:\s*([0-7]+)$", about, re.M)
                if flags and int(flags[1], 8) & os.O_ACCMODE == os.O_WRONLY:
                    found.add(os.readlink(place))
    return sorted(path for path in found if path.startswith("/") and not path.endswith(" (deleted)"))


def holders(files: FrozenSet[FileId], proc: Path = PROC, among: Optional[Iterable[int]] = None) -> Dict[int, str]:
    """Return pid -> name of the processes that have one of the files open, this process left out.

    A file is named by (device, inode), so neither links nor mounts hide it. Only those `among` are looked at, None for
    all.
    """
    found = {}
    for pid in pids(proc) if among is None else among:
        if pid != os.getpid() and _has_open(pid, files, proc):
            found[pid] = name_of(pid, proc)
    return found


def describe(processes: Dict[int, str]) -> str:
    """Return the processes, pid -> name, for a person."""
    return ", ".join(f"{pid} ({name})" for pid, name in sorted(processes.items()))


def _has_open(pid: int, files: FrozenSet[FileId], proc: Path) -> bool:
    for path in _descriptors(pid, proc):
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if (status.st_dev, status.st_ino) in files and not _is_name_only(path):
                return True
    return False


def _is_name_only(descriptor: str) -> bool:
    """Say whether a descriptor was opened with O_PATH: nothing can be read or written by it."""
    folder, number = os.path.split(descriptor)
    with contextlib.suppress(OSError):
        flags = _FLAGS.search(Path(f"{folder}info", number).read_text(encoding="ascii"))
        return bool(flags and int(flags.group(1), 8) & os.O_PATH)
    return False


def name_of(pid: int, proc: Path = PROC) -> str:
    try:
        return (proc / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "?"


def command_line(pid: int, proc: Path = PROC) -> str:
    """Return the command line of a process, empty when it has ended."""
    try:
        return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def state_of(pid: int, proc: Path = PROC) -> str:
    """Return the state letter of proc(5), `T` for a process that was stopped with a signal, empty for none."""
    return _state_and_parent(pid, proc)[0]


def working_folder(pid: int, proc: Path = PROC) -> str:
    """Return the real path of the folder that a process works in, empty when it cannot be seen."""
    try:
        return os.readlink(str(proc / str(pid) / "cwd"))
    except OSError:
        return ""


def read_in_folder(pid: int, path: str, limit: int = 4096, proc: Path = PROC) -> Optional[str]:
    """Return the text of a file below the folder that a process really works in, without the blanks around it.

    At most `limit` bytes are read. None when it cannot be read, also when it is no regular file.
    """
    try:
        folder = os.open(str(proc / str(pid) / "cwd"), os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        # A pipe would let the reader wait for ever, and a link of the app's user could lead root to any file.
        with trust.reading(Path(f"/proc/self/fd/{folder}", path)) as file:
            return os.read(file, limit).decode("utf-8", "replace").strip()
    except (OSError, trust.TrustError):
        return None
    finally:
        os.close(folder)


def environment_of(pid: int, proc: Path = PROC) -> Dict[str, str]:
    """Return the environment of a process as it was at its start, {} where it cannot be read."""
    try:
        text = (proc / str(pid) / "environ").read_bytes().decode("utf-8", "replace")
    except OSError:
        return {}
    return dict(entry.split("=", 1) for entry in text.split("\0") if "=" in entry)


def environments(text: str, proc: Path = PROC) -> Iterator[Tuple[int, Dict[str, str]]]:
    """Yield pid and environment of the processes in whose environment, as it was at their start, the text occurs."""
    for pid in sorted(pids(proc)):
        try:
            environment = (proc / str(pid) / "environ").read_bytes()
        except OSError:
            continue
        if text.encode() in environment:
            entries = environment.decode("utf-8", "replace").split("\0")
            yield pid, dict(entry.split("=", 1) for entry in entries if "=" in entry)
