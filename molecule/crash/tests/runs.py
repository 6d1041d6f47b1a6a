# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of ansible-playbook that die, and what a person expects of the host when the next one has ended."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import host as sample
from shell import Shell
from warm import Process, Warm

HERE = Path(__file__).resolve().parent.parent
KILLER = (HERE / "tests" / "killer.py").read_text(encoding="utf-8")
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
# The machine of the tests may be busy with others.
SECONDS = 300
# The app is small and what is measured matters little here: the times are as short as they can be.
SETTINGS = {
    "greenlight_stable_seconds": 1,
    "greenlight_warm_up_seconds": 0,
    "greenlight_measure_seconds": 1,
    "greenlight_response_time_samples": 5,
    "greenlight_health_deadline": 8,
    "greenlight_retry_rejected": True,
    # A machine that runs three hosts says nothing about how fast one is.
    "greenlight_decision_matrix_patches": {"response_time": None, "error_rate": None},
}


def warm_up() -> list[Warm]:
    """Start what the runs are forked from, with the callback that kills them, and what their local modules are."""
    local = Warm("interpreter")
    playbooks = Warm(
        "playbooks",
        ANSIBLE_CONFIG=str(EPHEMERAL / "ansible.cfg"),
        ANSIBLE_CALLBACK_PLUGINS=str(HERE / "plugins" / "callback"),
        ANSIBLE_CALLBACKS_ENABLED="crash",
        ANSIBLE_FORCE_COLOR="0",
        GREENLIGHT_LOCAL_PYTHON=str(local.program("python")),
    )
    return [playbooks, local]


@dataclass(frozen=True)
class Run:
    """How a run of ansible-playbook ended."""

    status: int
    output: str
    boundaries: list[str]
    states: list[str]

    def deaths(self) -> list[int]:
        """Return the numbers of the boundaries at which the host is not as it was at the one before."""
        pairs = zip(self.states, ["", *self.states])
        return [number for number, (state, before) in enumerate(pairs, 1) if state != before]

    def changes(self) -> int:
        return int(re.findall(r"changed=(\d+)", self.output)[-1])


class Host:
    """One container, asked from outside."""

    def __init__(self, name: str, warm: Warm) -> None:
        self.name, self.warm = name, warm
        self.shell = Shell(name)
        # Rows that the database must have: those of the beginning, and what was acknowledged before a reboot.
        self.rows = 20000

    def address(self) -> str:
        words = ["podman", "inspect", "--format", "{{ .NetworkSettings.IPAddress }}", self.name]
        return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def play(self, playbook: str, die_at: int = 0, watch: bool = False, **settings: Any) -> Run:
        """Run a playbook of the collection to its end, or until it is killed; with `watch`, tell the host's states."""
        process, log = self.begin(playbook, die_at, watch, **settings)
        try:
            output = process.communicate(timeout=SECONDS)[0]
        finally:
            process.kill()
        boundaries = [json.loads(line) for line in log.read_text().splitlines()]
        log.unlink()
        tasks, states = ([each[key] for each in boundaries] for key in ("task", "state"))
        return Run(process.returncode, output, tasks, states)

    def begin(self, playbook: str, die_at: int = 0, watch: bool = False, **settings: Any) -> tuple[Process, Path]:
        descriptor, name = tempfile.mkstemp(prefix="boundaries-", dir=EPHEMERAL)
        os.close(descriptor)
        given = {**SETTINGS, **settings, "ansible_host": self.address()}
        environment = {"GREENLIGHT_CRASH_LOG": name, "GREENLIGHT_CRASH_AT": str(die_at)}
        if watch:
            environment["GREENLIGHT_CRASH_HOST"] = self.name
        words = ["-i", str(EPHEMERAL / "inventory"), "--limit", self.name, "-e", json.dumps(given)]
        return self.warm.playbook(*words, f"greenlight.release.{playbook}", env=environment), Path(name)

    def kill(self, victim: str, stage: str, *more: str) -> str:
        """Wait on the host until the newest release is at a stage, kill something there, and return what happened."""
        words = ["podman", "exec", "-i", self.name, "python3", "-", victim, stage, *more]
        done = subprocess.run(words, input=KILLER, check=False, stdout=subprocess.PIPE, text=True)
        assert done.returncode == 0, f"{self.name}: {done.stdout}"
        return done.stdout

    def newest(self) -> dict[str, Any] | None:
        """Return the newest release record, None before there is one."""
        listed = self.shell.check_output(f"ls {sample.STATE}/releases 2>/dev/null | tail -n 1")
        return sample.read_json(self.shell, f"cat {sample.STATE}/releases/{listed}") if listed else None

    def pid(self) -> int:
        return int(sample.process(self.shell)["pid"])

    def serves(self) -> str:
        """Return which revision answers, as its name in the repository, or what came instead of an answer."""
        answer = self.shell.run("curl -sS --max-time 20 --retry 2 http://127.0.0.1:3000/health")
        for name in ("good", "better", "breaking-migration"):
            if answer.stdout == f'{{"status":"ok","revision":"{sample.revision(self.shell, name)}"}}':
                return name
        return str(answer.stdout + answer.stderr)

    def problems(self) -> list[str]:
        """Return what is not as it was before the release, and what was lost."""
        traffic = sample.read_json(self.shell, "cat /srv/sample-app-data/traffic.json")
        good = sample.revision(self.shell, "good")
        record = self.newest() or {"status": "aborted", "lock": None}
        process = sample.process(self.shell)
        seen = {
            "checked out": (self.shell.check_output("sudo -u sample git -C /srv/sample-app rev-parse HEAD"), good),
            "served": (self.serves(), "good"),
            "tree": (self.shell.check_output("sudo -u sample git -C /srv/sample-app status --porcelain"), ""),
            "schema": (sample.query(self.shell, "PRAGMA user_version"), "1"),
            "integrity": (sample.query(self.shell, "PRAGMA quick_check"), "ok"),
            "process": (process["pm2_env"]["status"], "online"),
            "lock": (record["lock"], None),
            "closed": (record["status"] in ("rolled_back", "aborted"), True),
        }
        wrong = [
            f"{what}: {found!r} instead of {wanted!r}" for what, (found, wanted) in seen.items() if found != wanted
        ]
        rows, wanted_rows = (
            int(sample.query(self.shell, "SELECT count(*) FROM items")),
            self.rows + traffic["acknowledged"],
        )
        return wrong + ([f"rows: {rows} instead of at least {wanted_rows}"] if rows < wanted_rows else [])

    def reboot(self) -> None:
        """Switch the host off and on again."""
        self.shell.check_output("systemctl kill --signal=TERM --kill-who=main sample-traffic")
        wait_for(lambda: self.shell.run("systemctl is-active sample-traffic").stdout.strip() != "active", "its end")
        self.rows += sample.read_json(self.shell, "cat /srv/sample-app-data/traffic.json")["acknowledged"]
        self.shell.check_output("rm /srv/sample-app-data/traffic.json")
        self.shell.close()
        for words in (["kill", "--signal=KILL"], ["start"]):
            subprocess.run(["podman", *words, self.name], check=True, stdout=subprocess.DEVNULL)

    def wait_for_boot(self) -> None:
        wait_for(lambda: self.shell.run("test -s /srv/sample-app-data/traffic.json").rc == 0, "the boot")


def wait_for(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> Any:
    """Wait until a condition holds, and return what it returned."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not happen within {seconds} seconds")


def wait_for_lease(host: Host) -> None:
    """Wait until the lease of the run that died is over."""
    record = host.newest()
    if record and record["lock"]:
        until = record["lock"]["until"]
        wait_for(
            lambda: host.shell.check_output("date -u +%Y-%m-%dT%H:%M:%SZ") >= until, f"the end of the lease at {until}"
        )


# How releases had ended that were rolled back twice.
ENDED: set[tuple[str, ...]] = set()


def recover(host: Host, take_over: bool) -> list[str]:
    """Roll back as a person would after a run died, and return what is wrong then.

    Where the record is of a kind that was not seen before, do it twice: the record alone decides what the second does.
    """
    if not take_over:
        wait_for_lease(host)
    first = host.play("rollback", greenlight_take_over=take_over)
    if host.newest() is None and "there is nothing to roll back" in first.output:
        return host.problems()
    if first.status != 0:
        return [f"the rollback failed:\n{first.output[-3000:]}"]
    wrong, pid, record = host.problems(), host.pid(), host.newest()
    kind = (record["status"], *sorted(record["facts"])) if record else ()
    if kind in ENDED:
        return wrong
    ENDED.add(kind)
    second = host.play("rollback", greenlight_take_over=take_over)
    if (second.status, second.changes()) != (0, 0):
        wrong.append(f"the second rollback changed something:\n{second.output[-2000:]}")
    if host.pid() != pid:
        wrong.append("the second rollback restarted the app")
    return wrong
