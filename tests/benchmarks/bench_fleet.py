# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what a green run costs a host, and whether that stays the same with more hosts.

    ./greenlight bench fleet [--quick]

A host is a PM2 of its own with a checkout, a database and a state folder of its own, all on this machine: what ssh and
a network cost comes on top. Each run releases a new commit to 1, 5, 10 or 20 of them (1 and 3 with `--quick`) in one
batch. The tasks of a host are those that its name stands below, includes and skipped ones too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from bench_deploy import App, Origin, run

FORKS = 10
SETTINGS = {
    "greenlight_batches": ["100%"],
    "greenlight_stable_seconds": 1,
    "greenlight_warm_up_seconds": 0,
    "greenlight_measure_seconds": 1,
    "greenlight_response_time_samples": 10,
}


def release(apps: list[App], folder: Path) -> tuple[float, list[int]]:
    """Release a new commit to the hosts, and return the seconds and the tasks of each."""
    apps[0].origin.commit()
    hosts = {}
    for number, app in enumerate(apps, 1):
        variables = json.loads((app.folder / "inventory.json").read_text())["all"]["hosts"]["bench"]
        hosts[f"host{number}"] = {**variables, **SETTINGS}
    inventory = folder / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": hosts}}))
    play = [Path(sys.executable).parent / "ansible-playbook", "-i", inventory, "--forks", str(FORKS)]
    began = time.perf_counter()
    output = run(*play, "greenlight.release.deploy", env={**os.environ, "ANSIBLE_NOCOLOR": "1"})
    seconds = time.perf_counter() - began
    blocks = [hosts_in(block) for block in output.partition("\nPLAY RECAP")[0].split("\nTASK [")[1:]]
    if f"host{len(apps)} " not in output or output.count(" released: ") != len(apps):
        sys.exit(f"the run did not release every host:\n{output[-3000:]}")
    return seconds, [sum(host in block for block in blocks) for host in hosts]


def hosts_in(block: str) -> set[str]:
    """Return the hosts that have a result in what was printed of a task."""
    results = re.findall(r"^(?:ok|changed|skipping): \[(host\d+)\b|^included: .* for (.+)$", block, re.MULTILINE)
    return {host for one, many in results for host in [one, *re.findall(r"host\d+", many)] if host}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only 1 and 3 hosts")
    sizes = (1, 3) if parser.parse_args().quick else (1, 5, 10, 20)
    # The path of a daemon's socket may only be short.
    with tempfile.TemporaryDirectory(prefix="gl-") as folder:
        place = Path(folder)
        origin, apps = Origin(place), []
        try:
            for number in range(max(sizes)):
                apps.append(App(place / f"h{number}", origin, 1))
            return compare(apps, sizes, place)
        finally:
            for app in apps:
                app.pm2("kill")


def compare(apps: list[App], sizes: tuple[int, ...], folder: Path) -> int:
    """Print the table, and return 0 only when every goal is met."""
    print(f"\none green run, {FORKS} forks, {os.cpu_count()} processors")
    print(f"{'hosts':>5}{'seconds':>10}{'a host':>9}{'tasks of the first host':>26}{'of the others':>16}")
    first, others = set(), set()
    for size in sizes:
        seconds, tasks = release(apps[:size], folder)
        first.add(tasks[0])
        others.update(tasks[1:])
        shown = "-" if size == 1 else " ".join(str(each) for each in sorted(set(tasks[1:])))
        print(f"{size:>5}{seconds:>10.1f}{seconds / size:>9.1f}{tasks[0]:>26}{shown:>16}", flush=True)
    print(f"\nmost tasks of a host: {max(first | others)} (goal 20)")
    print(f"the same with more hosts: {'yes' if len(first) == len(others) == 1 else 'no'} (goal yes)")
    return 0 if max(first | others) <= 20 and len(first) == len(others) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
