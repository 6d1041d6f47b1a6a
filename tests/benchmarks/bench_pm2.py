# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the requests and commands to PM2 against what a user would run instead, side by side, under a load.

    ./greenlight bench pm2 [--quick]

The first table gives the median time to read the state of a process. The second gives, for each method to replace a
process, the median seconds until the method returns, the requests of a load of 300 a second that failed, and the
longest gap between two answers. `pm2` returns when the process is started, pm2_process when it serves; so its socket
alone is what compares with `pm2`. `ansible-modules-pm2` is a package on PyPI; it is installed next to the environment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / ".cache" / "collections"))

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import host, process, readiness
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import instances as pm2_instances
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness, Requirements
from load import RATE, Load

CACHE = Path(__file__).resolve().parent.parent.parent / ".cache"
MODULE = "ansible_collections.greenlight.release.plugins.modules.pm2_process"
PEER = "ansible-modules-pm2==0.1.0"
# The package adds to Ansible's own folders, which are not those that it was installed to.
RUN_PEER = """
import os, runpy, ansible.module_utils
peer = os.environ["PEER"]
ansible.module_utils.__path__.append(peer + "/ansible/module_utils")
runpy.run_path(peer + "/ansible/modules/pm2/pm2.py", run_name="__main__")
"""
# It takes a while to boot, as real ones do, and finishes its requests when it gets the signal to end.
SERVER = """
const http = require('node:http');
const server = http.createServer((request, response) => response.end('ok'));
setTimeout(() => server.listen(Number(process.env.PORT), '127.0.0.1'), 150);
process.on('SIGINT', () => server.close(() => setTimeout(() => process.exit(0), 100)));
"""


class App:
    """A server under a PM2 of its own, and every method to act on it."""

    def __init__(self, folder: Path, peer: Path, instances: int) -> None:
        self.home, self.peer, self.clock = folder / "pm2", peer, readiness.Clock()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = {**os.environ, "PM2_HOME": str(self.home), "PORT": str(self.port)}
        (folder / "server.js").write_text(SERVER)
        count = ["-i", str(instances)] if instances > 1 else []
        self.pm2("start", str(folder / "server.js"), "--name", "app", *count)
        self.await_answer()

    def pm2(self, *words: str) -> str:
        done = subprocess.run(["pm2", *words], env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout

    def await_answer(self) -> None:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
                return
            except OSError:
                time.sleep(0.05)

    def connect(self):  # type: ignore[no-untyped-def]
        return host.connect("socket", self.home, 20, lambda: None)  # type: ignore[arg-type,return-value]

    def read(self) -> list[process.Instance]:
        with self.connect() as transport:
            return process.instances_of(transport.processes(), "app")

    def measure(self) -> Readiness:
        with self.connect() as transport:
            return readiness.measure(transport, "app", Requirements(), 1, self.clock)

    def by_socket(self, action: str) -> None:
        found = self.read()
        with self.connect() as transport:
            if action == "stop + start":
                pm2_instances.stop(transport, found, 0, 20, self.clock)()
                stopped = process.instances_of(transport.processes(), "app")
                pm2_instances.start(transport, stopped, {})
            elif action == "restart":
                pm2_instances.restart(transport, found, {})
            else:
                ready = Readiness(True, "", [], [])
                pm2_instances.reload(transport, found, {}, lambda _pm_id: ready)

    def by_program(self, action: str) -> None:
        for word in action.split(" + "):
            self.pm2(word, "app")

    def by_module(self, action: str) -> None:
        self._run_module(action, ["-m", MODULE], {"pm2_home": str(self.home), "stable_for": 0, "port": self.port})

    def by_peer(self, action: str) -> None:
        self._run_module(action, ["-c", RUN_PEER], {"executable": shutil.which("pm2"), "script": "unused"})

    def _run_module(self, action: str, words: list[str], arguments: dict[str, object]) -> None:
        states = {"stop + start": ("stopped", "started"), "restart": ("restarted",), "reload": ("reloaded",)}
        for state in states[action]:
            given = {**arguments, "name": "app", "state": state}
            if state == "started" and "script" in given:
                # The peer starts a name only with its script.
                given["script"] = str(self.home.parent / "server.js")
            done = subprocess.run(
                [sys.executable, *words],
                input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
                env={**self.environment, "PYTHONPATH": str(CACHE / "collections"), "PEER": str(self.peer)},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                sys.exit(f"{words[-1]} {state} failed: {done.stdout[-500:]}{done.stderr[-500:]}")


METHODS: dict[str, Callable[[App, str], None]] = {
    "pm2": App.by_program,
    "ansible-modules-pm2": App.by_peer,
    "pm2_process, its socket alone": App.by_socket,
    "pm2_process, until it serves": App.by_module,
}
SCENES = ((1, "stop + start"), (1, "restart"), (1, "reload"), (2, "restart"), (2, "reload"))


@dataclass
class Measured:
    seconds: list[float]
    failed: int = 0
    gap: float = 0.0


def seconds_of(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def compare_reading(app: App, rounds: int) -> float:
    """Print the table of reading, and return the ratio of ours to `pm2 jlist`."""
    methods: dict[str, Callable[[], object]] = {
        "pm2 jlist": lambda: app.pm2("jlist"),
        "pm2 describe": lambda: app.pm2("describe", "app"),
        "ours: the list of PM2": app.read,
        "ours: and what the kernel says of it": app.measure,
    }
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _round in range(rounds):
        for name, method in methods.items():
            times[name] += [seconds_of(method) for _repeat in range(10 if name.startswith("ours") else 1)]
    limit = statistics.median(times["pm2 jlist"])
    print(f"\nreading the state of a process, {rounds} rounds")
    print(f"{'method':<40}{'median ms':>12}{'to jlist':>12}{'times as fast':>16}")
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(f"{name:<40}{middle * 1000:>12.2f}{middle / limit:>12.4f}{limit / middle:>16.1f}")
    return statistics.median(times["ours: the list of PM2"]) / limit


def measure(app: App, action: str, method: Callable[[App, str], None], into: Measured) -> None:
    """Act once under a load, and add what it did to the load."""
    load = Load(app.port, 4)
    time.sleep(0.7)
    into.seconds.append(seconds_of(lambda: method(app, action)))
    seen = load.report()
    into.failed += int(seen["failed"])
    into.gap = max(into.gap, seen["gap"])
    app.await_answer()


def compare_actions(folder: Path, peer: Path, rounds: int) -> tuple[float, int]:
    """Print the table of actions; return the ratio of our restart to `pm2 restart`, and what our reload lost."""
    ratio, lost = 0.0, 0
    print(f"\nreplacing a process under {RATE} requests a second, {rounds} rounds")
    print(f"{'':<26}{'method':<32}{'median s':>10}{'to pm2':>8}{'failed':>8}{'longest gap s':>15}")
    for instances in (1, 2):
        place = folder / f"x{instances}"
        place.mkdir()
        app = App(place, peer, instances)
        try:
            for action in [action for count, action in SCENES if count == instances]:
                found = {name: Measured([]) for name in METHODS}
                for _round in range(rounds):
                    for name, method in METHODS.items():
                        measure(app, action, method, found[name])
                limit = statistics.median(found["pm2"].seconds)
                scene = f"{action}, {'fork' if instances == 1 else f'cluster x {instances}'}"
                for name, each in found.items():
                    middle = statistics.median(each.seconds)
                    line = (
                        f"{scene:<26}{name:<32}{middle:>10.3f}{middle / limit:>8.2f}{each.failed:>8}{each.gap:>15.3f}"
                    )
                    print(line, flush=True)
                ours = found["pm2_process, its socket alone"]
                if (instances, action) == (1, "restart"):
                    ratio = statistics.median(ours.seconds) / limit
                if (instances, action) == (2, "reload"):
                    lost = ours.failed + found["pm2_process, until it serves"].failed
        finally:
            app.pm2("kill")
    return ratio, lost


def install_peer() -> Path:
    folder = CACHE / "bench" / PEER
    if not (folder / "ansible").exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), PEER]
        subprocess.run(pip, check=True)
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of each action only")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else 3
    peer = install_peer()
    # The path of the daemon's socket may only be short.
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        place = Path(folder) / "x0"
        place.mkdir()
        app = App(place, peer, 1)
        try:
            reading = compare_reading(app, 5 * rounds)
        finally:
            app.pm2("kill")
        restart, lost = compare_actions(Path(folder), peer, rounds)
    print(f"\nstate read / pm2 jlist: {reading:.4f} (goal 0.02)")
    print(f"restart over the socket / pm2 restart: {restart:.2f} (goal 0.5)")
    print(f"requests that failed while we reloaded the cluster: {lost} (goal 0)")
    return 0 if reading <= 0.02 and restart <= 0.5 and lost == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
