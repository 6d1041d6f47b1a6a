# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small server that can be ill in ways that a test of pm2_process chooses."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from pathlib import Path

# ILL says what is wrong; LATER is when, in milliseconds after the start.
SERVER = """
'use strict';
const http = require('node:http'), path = require('node:path');
const ill = process.env.ILL || '', later = Number(process.env.LATER || 0);
const answer = () => JSON.stringify({pid: process.pid, release: path.basename(__dirname), env: process.env});
const server = http.createServer((request, response) => response.end(answer()));
const block = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
const problems = {
  'exit 0': () => process.exit(0),
  'exit 1': () => { console.error('the disk is on fire'); process.exit(1); },
  'blocks': block,
  'second one fails': () => process.env.NODE_APP_INSTANCE === '1' && process.exit(1),
  'second one blocks': () => process.env.NODE_APP_INSTANCE === '1' && block(),
};
if (ill !== 'never listens') server.listen(Number(process.env.PORT), '127.0.0.1');
if (problems[ill]) setTimeout(problems[ill], later);
setInterval(() => {}, 1000);
// A connection may still come from the daemon to this worker when its server closes.
const end = () => server.close(() => setTimeout(() => process.exit(0), 100));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, ill === 'ignores signals' ? () => {} : end);
"""


class SmallApp:
    """The server's folder and address, and the arguments with which the module runs it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "server.js").write_text(SERVER)

    def arguments(self, *ills, instances=None, **env):
        given = {"PORT": str(self.port), **dict(zip(("ILL", "LATER"), ills)), **env}
        more = {} if instances is None else {"instances": instances}
        return {"script": "server.js", "cwd": str(self.folder), "env": given, "port": self.port, **more}

    def ask(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
            return json.load(answer)


class Load:
    """Asks an app as fast as it can, each time over a new connection, and keeps what went wrong and who answered."""

    def __init__(self, app: SmallApp) -> None:
        self.app = app
        self.pids: set[int] = set()
        self.failures: list[str] = []
        self.asked = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            self.asked += 1
            try:
                self.pids.add(self.app.ask()["pid"])
            except OSError as error:
                self.failures.append(str(error))
            time.sleep(0.005)


def flip(link: Path, target: Path) -> None:
    """Point a symbolic link elsewhere in one step."""
    new = link.with_name("new")
    new.symlink_to(target)
    os.replace(new, link)
