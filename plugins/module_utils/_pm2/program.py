# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The `pm2` program: finding it, and running it with a clean environment and a limit of time."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error

# Of the variables that a caller may have, PM2 and Node need these; all others would leak into the app.
CLEAN_ENVIRONMENT = ("PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR")
# What PM2 writes to its home: a file or two, and those of a new daemon and a new process.
FILES_OF_A_LIST, FILES_OF_A_DAEMON = 2, 16
_ROOM = 64 << 10


def find_executable(name: str) -> Optional[str]:
    """Return the absolute path of a program that is given by a name on PATH, a path, or one below the user's home."""
    return shutil.which(os.path.expanduser(name))


def clean_environment(environment: Mapping[str, str], home: Path, executable: str) -> Dict[str, str]:
    """Return the environment for the pm2 program: what it needs, and PM2_HOME.

    The program is a script that asks PATH for node, which nvm keeps next to pm2.
    """
    kept = {name: environment[name] for name in CLEAN_ENVIRONMENT if name in environment}
    path = str(Path(executable).parent) + os.pathsep + environment.get("PATH", os.defpath)
    return {**kept, "PATH": path, "PM2_HOME": str(home)}


def refuse_full(home: Path, files: int, size: int = 0) -> None:
    """Raise PM2Error where PM2 has no room to write to its home: it hangs then, or loses the list that it saved.

    A folder that cannot be asked is left to PM2.
    """
    with contextlib.suppress(OSError):
        found = os.statvfs(str(next(each for each in (home, *home.absolute().parents) if each.exists())))
        is_root = os.geteuid() == 0
        free = (found.f_bfree if is_root else found.f_bavail) * found.f_frsize
        left = found.f_ffree if is_root else found.f_favail
        # A filesystem that makes inodes as it goes says 0 of 0.
        if free < size + _ROOM or (found.f_files and left < files):
            raise PM2Error(
                f"No space is left for PM2_HOME {home}: {free} bytes and {left} files are free, "
                f"{size + _ROOM} bytes and {files} files are needed; free some and try again"
            )


@dataclass(frozen=True)
class Program:
    """The pm2 program: its path, exactly the environment that it gets, its limit in seconds, what to do meanwhile."""

    executable: str
    environment: Mapping[str, str]
    timeout: float
    idle: Callable[[], None] = lambda: None

    def run(self, *words: str, folder: Optional[Path] = None, umask: Optional[int] = None) -> str:
        """Run it and return what it printed. Raises PM2Error with the cause, or its last words."""
        try:
            return self.run_command([self.executable, *words], folder, umask)
        except PM2Error:
            if "PM2_HOME" in self.environment:
                refuse_full(Path(self.environment["PM2_HOME"]), FILES_OF_A_LIST)
            raise

    def run_command(
        self, command: Sequence[str], folder: Optional[Path] = None, umask: Optional[int] = None, longest: int = 0
    ) -> str:
        """Run any program with the same environment, and end it where it prints more than `longest` bytes, 0 for any.

        Raises PM2Error.
        """
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
        output = self._wait(process, shown, longest)
        if process.returncode != 0:
            words = [line for line in output.splitlines() if line.strip()]
            raise PM2Error(f"{shown} failed with status {process.returncode}: {' | '.join(words[-3:])}")
        return output

    def _wait(self, process: subprocess.Popen[bytes], shown: str, longest: int) -> str:
        """Await the end in short waits, so that the time between can be used."""
        with process:
            for _wait in range(max(1, round(self.timeout * 50))):
                try:
                    return process.communicate(timeout=0.02)[0].decode("utf-8", "replace")
                except subprocess.TimeoutExpired as waiting:
                    if longest and len(waiting.output or b"") > longest:
                        process.kill()
                        raise PM2Error(f"{shown} printed more than {longest} bytes, and was ended") from None
                    self.idle()
            process.kill()
        raise PM2Error(f"{shown} did not end in {self.timeout:g} seconds; check whether PM2 hangs, or raise timeout")


def find_program(
    executable: str, home: Path, timeout: float, caller: Mapping[str, str], idle: Callable[[], None] = lambda: None
) -> Program:
    """Return the pm2 program, `executable` being its name or path. Raises PM2Error when it is not there."""
    found = find_executable(executable)
    if not found:
        raise PM2Error(
            f"pm2 was not found as {executable!r}; set executable to its absolute path, "
            "for nvm something like ~/.nvm/versions/node/v24.0.0/bin/pm2"
        )
    return Program(found, clean_environment(caller, home, found), timeout, idle)


def version_of(executable: Optional[str]) -> str:
    """Return the version of the pm2 program from the package that it lies in, empty when it cannot be found."""
    if not executable:
        return ""
    for folder in Path(executable).resolve().parents:
        try:
            package = json.loads((folder / "package.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        return str(package.get("version", "")) if package.get("name") == "pm2" else ""
    return ""
