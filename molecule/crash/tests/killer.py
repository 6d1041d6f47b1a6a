# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run on a host: wait until the newest release is at a stage, then kill something there, and print what.

killer.py VICTIM STAGE [stopped] [SECONDS]: the victim is `module`, `app`, `pm2` or `nothing`. With `stopped` the
app must have been stopped as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

RELEASES = Path("/var/lib/greenlight/sample-app/releases")
USER = pwd.getpwnam("sample").pw_uid
LISTENING = ":0BB8 00000000:0000 0A"
# Each is told the name of a process and its words.
VICTIMS: dict[str, Callable[[str, str], bool]] = {
    "module": lambda name, _words: name == "module",
    "app": lambda _name, words: "/srv/sample-app/server.js" in words,
    "pm2": lambda _name, words: words.startswith("PM2 "),
    "nothing": lambda _name, _words: False,
}


def is_at(stage: str) -> bool:
    newest = sorted(RELEASES.glob("*.json"))[-1:]
    record = json.loads(newest[0].read_text()) if newest else {"status": "none", "stage": ""}
    return record["status"] == "in_progress" and record["stage"] == stage


def is_stopped() -> bool:
    return LISTENING not in Path("/proc/net/tcp").read_text()


def find(victim: str) -> list[int]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, words = (folder.joinpath(file).read_bytes().decode(errors="replace") for file in ("comm", "cmdline"))
            if folder.stat().st_uid == USER and VICTIMS[victim](name.strip(), words.replace("\0", " ")):
                found.append(int(folder.name))
    return found


def main() -> int:
    victim, stage, stopped = sys.argv[1], sys.argv[2], "stopped" in sys.argv
    ends = time.monotonic() + 300
    while time.monotonic() < ends:
        if is_at(stage) and (not stopped or is_stopped()):
            pids = find(victim)
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if pids or victim == "nothing":
                print(f"killed {victim} {pids} at {stage}")
                return 0
        time.sleep(0.005)
    print(f"{stage} did not come, or no {victim} was there")
    return 1


if __name__ == "__main__":
    sys.exit(main())
