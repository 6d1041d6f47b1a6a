# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure latency sampling against what a user would run instead, side by side, and probes of which one hangs.

    ./greenlight bench health [--quick]

The server is one of Node on the loopback interface, which answers in a fraction of a millisecond, so that nearly all
that is measured is the client. The first table gives the median of the seconds for 200 requests, and of one request.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / ".cache" / "collections"))

import requests
from ansible.module_utils.urls import open_url
from ansible_collections.greenlight.release.plugins.module_utils._health import client
from ansible_collections.greenlight.release.plugins.module_utils._health import wait as health_wait
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Probe
from ansible_collections.greenlight.release.plugins.module_utils._host import parallel

SAMPLES = 200
HANGING = 1.0
SERVER = """
const body = JSON.stringify({status: 'ok', data: {hitRate: '95.67%', size: 100}});
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/hang') return;
  response.writeHead(200, {'content-type': 'application/json'});
  response.end(body);
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"""


@contextlib.contextmanager
def server() -> Iterator[str]:
    with subprocess.Popen(["node", "-e", SERVER], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def world() -> health_wait.World:
    return health_wait.World(
        lambda: client.connect(requests, time.monotonic), lambda _connection, _pids: "", parallel.run_all
    )


def patience(deadline: float) -> health_wait.Patience:
    return health_wait.Patience(deadline, 1, 0.05, time.monotonic, time.sleep)


def with_session(url: str, trust_env: bool = True) -> list[float]:
    taken = []
    with requests.Session() as session:
        session.trust_env = trust_env
        for _number in range(SAMPLES):
            began = time.perf_counter()
            session.get(url, timeout=5).json()
            taken.append(time.perf_counter() - began)
    return taken


def with_open_url(url: str) -> list[float]:
    taken = []
    for _number in range(SAMPLES):
        began = time.perf_counter()
        open_url(url, timeout=5).read()
        taken.append(time.perf_counter() - began)
    return taken


def with_curl(url: str) -> list[float]:
    taken = []
    for _number in range(SAMPLES):
        began = time.perf_counter()
        subprocess.run(["curl", "-sf", "-o", "/dev/null", url], check=True)
        taken.append(time.perf_counter() - began)
    return taken


def with_ours(url: str) -> list[float]:
    """Take samples as the module does, each judged by its JSON."""
    probe = Probe(name="x", url=url, expect_json=({"path": "status", "equals": "ok"},))
    samples = health_wait.take_samples(probe, world(), patience(60), SAMPLES, time.monotonic() + 60)
    assert not any(reason for _elapsed, reason in samples)
    return [elapsed / 1000 for elapsed, _reason in samples]


METHODS: dict[str, Callable[[str], list[float]]] = {
    "requests.Session": with_session,
    "the same, no proxies": lambda url: with_session(url, trust_env=False),
    "ours": with_ours,
    "curl, once for each": with_curl,
    "open_url of Ansible": with_open_url,
}


def compare(url: str, rounds: int) -> float:
    """Print a table, the methods in turns, and return the ratio of ours to a bare session."""
    whole: dict[str, list[float]] = {name: [] for name in METHODS}
    single: dict[str, list[float]] = {name: [] for name in METHODS}
    for _round in range(rounds):
        for name, method in METHODS.items():
            began = time.perf_counter()
            taken = method(url)
            whole[name].append(time.perf_counter() - began)
            single[name].append(statistics.median(taken))
    limit = statistics.median(whole["requests.Session"])
    print(f"\n{SAMPLES} samples, {rounds} rounds\n{'method':<24}{'median s':>10}{'to bare':>9}{'p50 ms':>9}")
    for name, seconds in whole.items():
        middle = statistics.median(seconds)
        print(f"{name:<24}{middle:>10.3f}{middle / limit:>9.2f}{statistics.median(single[name]) * 1000:>9.2f}")
    return statistics.median(whole["ours"]) / limit


def with_one_that_hangs(url: str, rounds: int) -> float:
    """Return how many times the timeout of the hanging probe ten probes take, of which it is one."""
    probes = [Probe(name=f"good {number}", url=url) for number in range(9)]
    probes.insert(4, Probe(name="hang", url=f"{url}/hang", timeout=HANGING))
    taken = []
    for _round in range(rounds):
        began = time.perf_counter()
        result = health_wait.check_all(probes, world(), patience(HANGING))
        taken.append(time.perf_counter() - began)
        assert result["reason"] == f"hang: no answer within {HANGING:g} seconds", result["reason"]
    seconds = statistics.median(taken)
    print(f"\nten probes, of which one hangs for its {HANGING:g} s: {seconds:.3f} s")
    return seconds / HANGING


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    rounds = 3 if parser.parse_args().quick else 9
    with server() as url:
        goals = [
            ("200 samples / requests.Session", 1.2, compare(url, rounds)),
            ("ten probes / the timeout of the one that hangs", 1.2, with_one_that_hangs(url, rounds // 2)),
        ]
    print(f"\n{'goal':<50}{'at most':>9}{'is':>9}")
    for what, most, value in goals:
        print(f"{what:<50}{most:>9.2f}{value:>9.2f}  {'met' if value <= most else 'missed'}")
    return 0 if all(value <= most for _what, most, value in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
