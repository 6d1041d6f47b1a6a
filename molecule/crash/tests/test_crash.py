# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import incidents
import pytest
from runs import SECONDS, Host, Run, recover, wait_for, warm_up
from warm import Process

NAMES = ("greenlight-crash-1", "greenlight-crash-2", "greenlight-crash-3")


@dataclass(frozen=True)
class Case:
    """One death, and what it is called in the table."""

    name: str
    die: Callable[[Host], list[str]]


def take(cases: queue.SimpleQueue[Case], host: Host, problems: dict[str, list[str]]) -> None:
    """Let a host take cases until there are none left. A host that did not recover takes no more."""
    while not cases.empty():
        try:
            case = cases.get_nowait()
        except queue.Empty:
            return
        problems[case.name] = ["the test itself ended"]
        # A machine that runs three hosts may keep one waiting.
        wait_for(lambda: host.serves() == "good", "an answer of the good release")
        problems[case.name] = case.die(host)
        print(f"{host.name}: {case.name}: {problems[case.name] or 'recovered'}", flush=True)
        if problems[case.name]:
            return


def die_in_parallel(hosts: list[Host], cases: list[Case]) -> dict[str, list[str]]:
    waiting: queue.SimpleQueue[Case] = queue.SimpleQueue()
    for case in cases:
        waiting.put(case)
    problems: dict[str, list[str]] = {}
    threads = [threading.Thread(target=take, args=(waiting, host, problems)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {case.name: problems.get(case.name, ["no host was left for it"]) for case in cases}


@pytest.fixture(scope="module")
def hosts() -> Iterator[list[Host]]:
    warm = warm_up()
    made = [Host(name, warm[0]) for name in NAMES]
    yield made
    for host in made:
        host.shell.close()
    for each in warm:
        each.stop()


@pytest.fixture(scope="module")
def bad_release(hosts: list[Host]) -> Run:
    """A release whose migration breaks the app and which is rolled back, without any kill: all boundaries."""
    run = hosts[0].play("deploy", watch=True, greenlight_revision="breaking-migration")
    assert "was rolled back to" in run.output, run.output
    assert hosts[0].problems() == []
    return run


def at_boundary(number: int, task: str, take_over: bool) -> Case:
    """A deploy of the bad release is killed; without taking over, its lease runs out before a person comes."""

    def die(host: Host) -> list[str]:
        lease = 1800 if take_over else 1
        run = host.play("deploy", number, greenlight_revision="breaking-migration", greenlight_lease_seconds=lease)
        if run.status != -signal.SIGKILL or len(run.boundaries) != number:
            return [f"it was not killed at boundary {number}:\n{run.output[-3000:]}"]
        return recover(host, take_over)

    return Case(f"{number:2} after {task}", die)


def under_way(host: Host, interrupt: Callable[[Process], object]) -> None:
    """Begin the bad release, interrupt it, and wait until the run has ended."""
    process, log = host.begin("deploy", greenlight_revision="breaking-migration")
    try:
        interrupt(process)
        process.communicate(timeout=SECONDS)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        log.unlink()


def in_the_middle(victim: str, stage: str, *more: str) -> Case:
    """Something on the host is killed during the bad release."""

    def die(host: Host) -> list[str]:
        under_way(host, lambda _run: host.kill(victim, stage, *more))
        return recover(host, take_over=True)

    return Case(f"{victim} at {' and '.join((stage, *more))}", die)


def at_once(stage: str) -> Case:
    """The run is killed in the middle of a module, which goes on alone, and a person rolls the release back at once."""

    def die(host: Host) -> list[str]:
        def interrupt(run: Process) -> None:
            host.kill("nothing", stage)
            os.killpg(run.pid, signal.SIGKILL)

        under_way(host, interrupt)
        return recover(host, take_over=True)

    return Case(f"run at {stage}", die)


def without_power(stage: str, *more: str) -> Case:
    """The host is switched off during the bad release."""

    def die(host: Host) -> list[str]:
        def interrupt(run: Process) -> None:
            host.kill("nothing", stage, *more)
            host.reboot()
            # The run may have ended already, as its host was gone.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)

        under_way(host, interrupt)
        host.wait_for_boot()
        return recover(host, take_over=True)

    return Case(f"power at {' and '.join((stage, *more))}", die)


def asked_for(number: int, task: str) -> Case:
    """The rollback of a good release, which a person asked for, is killed."""
    take_over = number % 2 == 0

    def die(host: Host) -> list[str]:
        released = host.play("deploy", greenlight_revision="better")
        if released.status != 0:
            return [f"the good release failed:\n{released.output[-3000:]}"]
        run = host.play("rollback", number, greenlight_lease_seconds=1800 if take_over else 1)
        if run.status != -signal.SIGKILL:
            return [f"it was not killed at boundary {number}:\n{run.output[-3000:]}"]
        return recover(host, take_over)

    return Case(f"asked for, {number:2} after {task}", die)


def test_the_next_rollback_recovers_a_run_that_is_killed_at_any_boundary(hosts, bad_release):
    """Where a task left the host as it was, a death behind it is the death before it."""
    tasks, numbers = bad_release.boundaries, bad_release.deaths()
    cases = [at_boundary(number, tasks[number - 1], take_over=index % 2 == 0) for index, number in enumerate(numbers)]
    changing = ("Open the release record", "Switch to the new revision", "Record the evidence", "Close the release")
    named = [task for task in changing if any(task in case.name for case in cases)]
    assert (named, len(tasks) >= 20) == (list(changing), True), tasks
    problems = die_in_parallel(hosts, cases)
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


def test_the_next_rollback_finishes_a_requested_rollback_that_was_killed(hosts):
    released = hosts[0].play("deploy", greenlight_revision="better")
    assert released.status == 0, released.output
    whole = hosts[0].play("rollback", watch=True)
    assert (whole.status, hosts[0].problems()) == (0, [])
    cases = [asked_for(number, whole.boundaries[number - 1]) for number in whole.deaths()]
    assert len(cases) >= 3, whole.boundaries
    problems = die_in_parallel(hosts, cases)
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


def test_the_next_rollback_recovers_a_host_whose_task_was_killed(hosts):
    cases = [
        in_the_middle("module", "opened"),
        in_the_middle("module", "switching", "stopped"),
        in_the_middle("module", "switched"),
        in_the_middle("module", "rolling_back", "stopped"),
        at_once("switching"),
        at_once("switched"),
        at_once("rolling_back"),
        in_the_middle("app", "switched"),
        in_the_middle("pm2", "switching"),
        in_the_middle("pm2", "rolling_back"),
        without_power("switching", "stopped"),
        without_power("switched"),
        without_power("rolling_back", "stopped"),
    ]
    problems = die_in_parallel(hosts, cases)
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}


def test_what_people_do_next_ends_well(hosts):
    problems = die_in_parallel(hosts, [Case(each.__name__, each) for each in incidents.ALL])
    assert {name: wrong for name, wrong in problems.items() if wrong} == {}
