# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Have a process of warm.py run words in a fork, with the files of this one, and end as that run ended.

It runs in place of each of them and imports little, as its own start is all that they cost.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time

# Seconds after which a process that was begun listens, however busy the machine is.
PATIENT = 30


def connect(address):
    """Return a connection to the process that forks, which may still be importing."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ends = time.monotonic() + PATIENT
    while True:
        try:
            connection.connect(address)
            return connection
        except (FileNotFoundError, ConnectionRefusedError):
            if time.monotonic() > ends:
                raise
        time.sleep(0.05)


def main(address, *words):
    connection = connect(address)
    request = {"words": words, "env": dict(os.environ), "cwd": os.getcwd()}
    socket.send_fds(connection, [json.dumps(request).encode()], [0, 1, 2])
    connection.recv(100)
    status = int(connection.recv(100) or -signal.SIGKILL)
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == "__main__":
    main(*sys.argv[1:])
