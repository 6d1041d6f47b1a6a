# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the scan of a log against what a user would run instead, side by side.

    ./greenlight bench logs [--quick]

The log is that of an app under PM2 which writes a line of JSON for every request, and now and then an error. The first
table looks for five texts in all of it, the second for what the role verify looks for. The third reads the last ten
megabytes from a cursor on, in logs of two sizes. The memory is the most that the process ever had, Python included.

Each method runs in one thread and waits for nothing, so on an idle machine its seconds of CPU are those on the clock.
The ratios are of CPU, and of the best round, as other work on the machine changes those least.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
COLLECTIONS = CHECKOUT / ".cache" / "collections"
TEXTS = ("TypeError", "Read pool exhausted", "[ConnectionPool] Initialized", "SQLITE_CORRUPT", "FATAL")
END = "the end of the log"
NEW = 10_000_000
MEMORY = 64
# A scan in a process of its own, as the module does it, without the start of Ansible.
SCAN = """
import json, sys, time
from ansible_collections.greenlight.release.plugins.module_utils._logs import check, rules, scan
given = json.load(sys.stdin)
began, cpu_began = time.perf_counter(), time.process_time()
scan = scan.Scan(rules.read_rules({"require": [], "ignore": [], **given}), {})
reading = check.begin([(given["path"], "out")], given["cursor"], 1 << 62, time.time())
check.read(scan, reading, 0, False, check.Time(time.time, time.monotonic, time.sleep))
seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
# Not ru_maxrss, which a process inherits from the one that started it.
status = open("/proc/self/status").read()
memory = int(status.split("VmHWM:")[1].split()[0]) / 1024
counts = {name: found["count"] for name, found in scan.results(None).items()}
found = {"seconds": seconds, "cpu": cpu, "memory": memory, "counts": counts, "complete": reading.complete}
json.dump(found, sys.stdout)
"""
MARK = """
import json, sys
from pathlib import Path
from ansible_collections.greenlight.release.plugins.module_utils._logs import marks
json.dump(marks.make_cursor([marks.mark_file(Path(sys.argv[1]), "out", 0.0)], 0.0), sys.stdout)
"""
LINE_LOOP = """
import sys
texts, count = sys.argv[2:], 0
with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
    for line in log:
        count += any(text in line for text in texts)
"""


def make_lines(count: int) -> bytes:
    source = random.Random(1)
    lines = []
    for number in range(count):
        chance = source.random()
        if chance < 0.0005:
            lines.append(
                f"TypeError: Cannot read properties of undefined (reading 'x{number}')\n    at list (items.js:10)"
            )
        elif chance < 0.0007:
            lines.append("Read pool exhausted, creating temporary connection")
        request = {
            "level": 30,
            "time": 1771466400000 + number,
            "pid": 4711,
            "hostname": "shop-1",
            "method": "GET",
            "url": source.choice(("/api/items", "/api/items/count", "/health")) + f"?category={number % 40}",
            "statusCode": 500 if chance > 0.99 else 200,
            "responseTime": round(source.random() * 20, 2),
            "msg": "request completed",
        }
        lines.append(json.dumps(request, separators=(",", ":")))
    return "".join(line + "\n" for line in lines).encode()


def write_log(path: Path, size: int, block: bytes) -> None:
    with path.open("wb") as log:
        log.write(b"[ConnectionPool] Initialized with max 5 read connections\n")
        while log.tell() < size:
            log.write(block)
        log.write(f"{END}\n".encode())


def run(words: list[str], **options: object) -> str:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONPATH": str(COLLECTIONS)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    # grep ends with 1 when nothing was found.
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return str(done.stdout)


class Cost(NamedTuple):
    """Seconds on the clock, and of CPU."""

    wall: float
    cpu: float


def timed(*commands: list[str]) -> Cost:
    """Return what commands cost that are run one after the other."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for words in commands:
        run(words)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - began, cpu)


def scan(path: Path, rules: dict[str, object], cursor: object = None) -> dict[str, float]:
    given = {"path": str(path), "cursor": cursor, "forbid": [], "count": [], "rates": {}, **rules}
    return dict(json.loads(run([sys.executable, "-c", SCAN], input=json.dumps(given))))


def scanned(path: Path, rules: dict[str, object]) -> Cost:
    found = scan(path, rules)
    return Cost(found["seconds"], found["cpu"])


def call(module: str, arguments: dict[str, object]) -> list[str]:
    """Return the command that runs a module as Ansible does on the host."""
    given = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
    return [sys.executable, "-c", f"import sys; sys.argv[1:] = [{given!r}]; import {module} as m; m.main()"]


def methods_for_texts(path: Path) -> dict[str, Callable[[], Cost]]:
    patterns = [word for text in TEXTS for word in ("-e", text)]
    rules = {"count": [{"pattern": text} for text in TEXTS]}
    files = [{"path": str(path), "stream": "out"}]
    ours = {"files": files, "tail_bytes": 1 << 62, "count": rules["count"]}
    waiting = {"path": str(path), "search_regex": END, "timeout": 600}
    methods: dict[str, Callable[[], Cost]] = {
        "grep -c, once for all five": lambda: timed(["grep", "-cF", *patterns, str(path)]),
        "grep -c, five times": lambda: timed(*(["grep", "-cF", "-e", text, str(path)] for text in TEXTS)),
    }
    if shutil.which("rg"):
        methods["ripgrep, once for all five"] = lambda: timed(["rg", "-cF", *patterns, str(path)])
    methods["Python, line by line"] = lambda: timed([sys.executable, "-c", LINE_LOOP, str(path), *TEXTS])
    methods["wait_for search_regex, one text"] = lambda: timed(call("ansible.modules.wait_for", waiting))
    methods["ours, the scan"] = lambda: scanned(path, rules)
    module = "ansible_collections.greenlight.release.plugins.modules.log_assert"
    methods["ours, the whole module"] = lambda: timed(call(module, ours))
    return methods


def methods_for_the_role(path: Path) -> tuple[dict[str, Callable[[], Cost]], dict[str, object]]:
    defaults = yaml.safe_load((CHECKOUT / "roles/verify/defaults/main.yml").read_text(encoding="utf-8"))
    critical = "(?:" + ")|(?:".join(defaults["greenlight_critical_errors"]) + ")"
    rules = {
        "styles": ["auto"],
        "forbid": [
            {"name": "critical_errors", "pattern": critical, "regex": True, "level": "fatal"},
            {"name": "new_errors", "level": "error"},
        ],
        "count": [{"name": "pool_exhausted", "pattern": defaults["greenlight_pool_exhausted"], "regex": True}],
        "rates": {"error_rate": {"requests": "failed"}},
    }
    searches = [
        ["grep", "-cE", "|".join(defaults["greenlight_critical_errors"]), str(path)],
        ["grep", "-cE", defaults["greenlight_pool_exhausted"], str(path)],
        ["grep", "-cE", '"level":(50|60)|Error:|ERROR', str(path)],
        ["grep", "-cF", '"statusCode":5', str(path)],
        ["grep", "-cF", '"statusCode":', str(path)],
    ]
    methods: dict[str, Callable[[], Cost]] = {
        "grep -c, once for each rule": lambda: timed(*searches),
        "ours, the scan": lambda: scanned(path, rules),
    }
    return methods, rules


def compare(title: str, methods: dict[str, Callable[[], Cost]], rounds: int) -> float:
    """Print a table, the methods in turns, and return the ratio of our scan to the first method."""
    costs: dict[str, list[Cost]] = {name: [] for name in methods}
    for _round in range(rounds):
        for name, method in methods.items():
            costs[name].append(method())
    best = {name: min(cost.cpu for cost in taken) for name, taken in costs.items()}
    limit = next(iter(best.values()))
    print(f"\n{title}, {rounds} rounds\n{'method':<34}{'median s':>10}{'best CPU s':>12}{'to grep':>9}")
    for name, seconds in best.items():
        middle = statistics.median(cost.wall for cost in costs[name])
        print(f"{name:<34}{middle:>10.3f}{seconds:>12.3f}{seconds / limit:>9.2f}")
    return best["ours, the scan"] / limit


def from_cursor(path: Path, block: bytes, rounds: int) -> float:
    """Return the seconds of CPU that it takes to read ten new megabytes, which are appended and removed again."""
    cursor = json.loads(run([sys.executable, "-c", MARK, str(path)]))
    size = path.stat().st_size
    with path.open("ab") as log:
        log.write(block[:NEW])
    rules = {"count": [{"pattern": text} for text in TEXTS]}
    found = [scan(path, rules, cursor) for _round in range(rounds)]
    os.truncate(path, size)
    assert all(each["complete"] for each in found)
    return min(each["cpu"] for each in found)


def report(goals: list[tuple[str, float, float]]) -> int:
    print(f"\n{'goal':<62}{'at most':>9}{'is':>9}")
    for what, most, value in goals:
        print(f"{what:<62}{most:>9.2f}{value:>9.2f}  {'met' if value <= most else 'missed'}")
    return 0 if all(value <= most for _what, most, value in goals) else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="100 MB in place of 1 GB")
    parser.add_argument("--folder", type=Path, help="where to measure (default: the folder for temporary files)")
    arguments = parser.parse_args()
    megabytes, rounds = (100, 3) if arguments.quick else (1000, 5)
    folder = Path(tempfile.mkdtemp(dir=arguments.folder))
    try:
        block = make_lines(60_000)
        large, small = folder / "large.log", folder / "small.log"
        write_log(large, megabytes * 1_000_000, block)
        write_log(small, megabytes * 100_000, block)
        texts = compare(f"{megabytes} MB, five texts", methods_for_texts(large), rounds)
        methods, rules = methods_for_the_role(large)
        role = compare(f"{megabytes} MB, the rules of the role verify", methods, rounds)
        times = {path: from_cursor(path, block, 9) for path in (small, large)}
        print(f"\nten new megabytes behind a cursor: {times[small]:.3f} s in {megabytes // 10} MB,", end=" ")
        print(f"{times[large]:.3f} s in {megabytes} MB")
        most = scan(large, rules)["memory"]
        large.write_bytes(b"x" * 300_000_000)
        line = scan(large, rules)["memory"]
        return report(
            [
                ("scan, five texts / grep", 2.0, texts),
                ("scan, the rules of the role / grep for each", 2.0, role),
                ("from a cursor, the large log / the small one", 1.25, times[large] / times[small]),
                ("memory in MB", MEMORY, most),
                ("memory in MB for one line of 300 MB", MEMORY, line),
            ]
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
