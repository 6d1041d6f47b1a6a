#!/usr/bin/env python3
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send requests to the sample app at a steady rate until SIGTERM, and report what users would have seen.

The load is open: a request begins when its time has come, whether or not the one before was answered. The report is
JSON, rewritten every second: {sent, ok, failed, longest_gap_ms, acknowledged, largest_id}. longest_gap_ms is the
longest time between two good answers, acknowledged the number of writes that the app said it kept, largest_id the
newest of them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit


class Traffic:
    """What was sent and what came back, counted under one lock."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.lock = threading.Lock()
        self.counts = {"sent": 0, "ok": 0, "failed": 0, "longest_gap_ms": 0, "acknowledged": 0, "largest_id": 0}
        self.last_success: float | None = None

    def send(self, number: int, writes_every: int) -> None:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=10)
        write = writes_every > 0 and number % writes_every == 0
        try:
            if write:
                body = json.dumps({"name": f"written by traffic {number}"})
                connection.request("POST", "/api/items", body, {"content-type": "application/json"})
            else:
                connection.request("GET", f"/api/items?category={number % 10}")
            response = connection.getresponse()
            answer = response.read()
            self.record(response.status < 400, json.loads(answer)["data"]["id"] if write else 0)
        except (OSError, http.client.HTTPException, ValueError, KeyError):
            self.record(False, 0)
        finally:
            connection.close()

    def record(self, success: bool, row: int) -> None:
        now = time.monotonic()
        with self.lock:
            self.counts["sent"] += 1
            self.counts["ok" if success else "failed"] += 1
            if not success:
                return
            if self.last_success is not None:
                gap = round((now - self.last_success) * 1000)
                self.counts["longest_gap_ms"] = max(self.counts["longest_gap_ms"], gap)
            self.last_success = now
            if row:
                self.counts["acknowledged"] += 1
                self.counts["largest_id"] = max(self.counts["largest_id"], row)

    def write_report(self, path: Path) -> None:
        with self.lock:
            text = json.dumps(self.counts)
        partial = path.with_name(path.name + ".partial")
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="where the app is, http://127.0.0.1:3000")
    parser.add_argument("--rate", type=float, default=50, help="requests a second (default: 50)")
    parser.add_argument("--writes-every", type=int, default=5, help="every how many requests one writes; 0: never")
    parser.add_argument("--duration", type=float, default=float("inf"), help="seconds (default: until SIGTERM)")
    parser.add_argument("--report", type=Path, required=True, help="file of the report")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    url = urlsplit(arguments.url)
    traffic = Traffic(url.hostname or "127.0.0.1", url.port or 80)
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_signal: stopping.set())
    began, number, threads = time.monotonic(), 0, []
    while not stopping.is_set() and time.monotonic() - began < arguments.duration:
        number += 1
        thread = threading.Thread(target=traffic.send, args=(number, arguments.writes_every), daemon=True)
        thread.start()
        threads = [each for each in threads if each.is_alive()] + [thread]
        if number % max(1, round(arguments.rate)) == 0:
            traffic.write_report(arguments.report)
        stopping.wait(max(0.0, began + number / arguments.rate - time.monotonic()))
    for thread in threads:
        thread.join(timeout=10)
    traffic.write_report(arguments.report)


if __name__ == "__main__":
    main()
