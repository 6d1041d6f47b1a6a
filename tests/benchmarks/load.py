# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load of so many requests a second on an app, each over a connection of its own, and what became of them."""

from __future__ import annotations

import json
import subprocess

RATE = 300
# The load is open: a request begins when its time has come, whether or not those before were answered. SIGTERM ends it.
_SCRIPT = """
const http = require('node:http');
const [port, rate, seconds] = process.argv.slice(1, 4).map(Number), path = process.argv[4];
const began = performance.now(), answers = [];
let sent = 0, failed = 0, open = 0, ends = seconds;
function ask() {
  sent++; open++;
  let over = false;
  const end = (ok) => {
    if (over) return;
    over = true; open--;
    ok ? answers.push(performance.now() - began) : failed++;
  };
  const request = http.get({port, path, host: '127.0.0.1', agent: false, timeout: 5000}, (response) => {
    response.resume().on('end', () => end(response.statusCode === 200)).on('error', () => end(false));
  });
  request.on('error', () => end(false)).on('timeout', () => { request.destroy(); end(false); });
}
process.on('SIGTERM', () => { ends = (performance.now() - began) / 1000; });
const timer = setInterval(() => {
  const passed = (performance.now() - began) / 1000;
  if (passed < ends) { while (sent < passed * rate) ask(); return; }
  if (open && passed < ends + 6) return;
  clearInterval(timer);
  const gap = Math.max(...answers.sort((a, b) => a - b).map((at, i) => at - (answers[i - 1] ?? at)));
  console.log(JSON.stringify({sent, failed: failed + open, gap: gap / 1000}));
  process.exit(0);
}, 2);
"""


class Load:
    """A load that lasts `seconds`, or until it is ended."""

    def __init__(self, port: int, seconds: float, path: str = "/") -> None:
        words = ["node", "-e", _SCRIPT, str(port), str(RATE), str(seconds), path]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)

    def end(self) -> None:
        self._process.terminate()

    def report(self) -> dict[str, float]:
        """Wait until it is over, and return `{sent, failed, gap}`, the gap in seconds between two good answers."""
        return dict(json.loads(self._process.communicate(timeout=120)[0]))
