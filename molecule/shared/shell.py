# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shell in a container that stays open: opening one costs more than most of what the tests ask."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

# Runs in the container: a command per line, as JSON, and its outcome as another line.
AGENT = """
import json, subprocess, sys
for line in sys.stdin:
    words = ["/bin/sh", "-c", json.loads(line)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    print(json.dumps([done.returncode, done.stdout, done.stderr]), flush=True)
"""


@dataclass(frozen=True)
class Answer:
    rc: int
    stdout: str
    stderr: str


class Shell:
    """Runs commands as root. Its methods are those of a host of testinfra."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: str) -> Answer:
        """Run a command. One that the host did not answer, since it was going down, has the status 255."""
        process = self._process or self._open()
        try:
            process.stdin.write(json.dumps(command) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self.close()
            return Answer(255, "", f"{self.name} did not answer")
        return Answer(*json.loads(line))

    def check_output(self, command: str) -> str:
        answer = self.run(command)
        assert answer.rc == 0, f"{self.name}: {command}: {answer}"
        return answer.stdout.rstrip("\r\n")

    def _open(self) -> subprocess.Popen[str]:
        words = ["podman", "exec", "-i", self.name, "python3", "-c", AGENT]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self._process

    def close(self) -> None:
        """Forget the shell of a host that goes down, or is not needed any more; the next command opens another one."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None
