# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs over three hosts, one after the other: each test begins where the one before it left them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from functools import lru_cache
from pathlib import Path

import host as sample
import pytest
from shell import Shell
from warm import Warm

NAMES = ["greenlight-fleet-1", "greenlight-fleet-2", "greenlight-fleet-3"]
FIRST, SECOND, THIRD = NAMES
FAST = Path(__file__).resolve().parent.parent / "vars" / "fast.yml"
HOOKS = Path(__file__).resolve().parent.parent / "hooks.yml"
EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
INVENTORY = EPHEMERAL / "inventory"
LOCAL = Warm("interpreter")
WARM = Warm(
    "playbooks",
    ANSIBLE_CONFIG=str(EPHEMERAL / "ansible.cfg"),
    GREENLIGHT_LOCAL_PYTHON=str(LOCAL.program("python")),
)


@pytest.fixture(scope="module", autouse=True)
def _warm():
    yield
    WARM.stop()
    LOCAL.stop()
    for name in (*NAMES, "greenlight-fleet-balancer"):
        on(name).close()


@lru_cache(maxsize=None)
def on(name):
    return Shell(name)


def begin(playbook, *words, **variables):
    """Start a playbook and return its process."""
    settings = ["-e", f"@{FAST}", "-e", json.dumps(variables)] if variables else []
    return WARM.playbook("-i", INVENTORY, f"greenlight.release.{playbook}", *settings, *words)


def end(process):
    output = process.communicate(timeout=300)[0]
    return process.returncode, output


def deploy(*words, **variables):
    return end(begin("deploy", *words, **{"greenlight_batches": [1], **variables}))


def running(name):
    return sample.read_json(on(name), "curl -s http://127.0.0.1:3000/health")["revision"]


def are_on(branch):
    wanted = sample.revision(on(FIRST), branch)
    return [running(name) == wanted for name in NAMES]


def row(output, name):
    """Return the last line of the table about a host."""
    return re.findall(rf'"{name} .*"', output)[-1]


def wait_for(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_run_over_three_hosts_is_one_release_and_loses_no_request():
    records = [sample.record(on(name)) for name in NAMES]
    assert are_on("better") == [True, True, True]
    assert {(record["status"], record["lock"]) for record in records} == {("watching", None)}
    assert len({record["id"] for record in records}) == 1
    assert len({step["run_id"] for record in records for step in record["history"]}) == 1
    opened = [record["opened_at"] for record in records]
    assert opened == sorted(opened) and len(set(opened)) == 3
    traffic = sample.read_json(on("greenlight-fleet-balancer"), "cat /run/balancer-traffic.json")
    assert (traffic["failed"], traffic["acknowledged"] > 10) == (0, True)


def balanced(name):
    """Return what haproxy says of a server."""
    command = 'echo "show stat app 4 -1" | socat stdio unix-connect:/run/haproxy/admin.sock'
    lines = [line.split(",") for line in on("greenlight-fleet-balancer").check_output(command).splitlines()]
    return next(line[17] for line in lines if line[:2] == ["app", name])


def test_the_hooks_of_the_example_take_a_host_out_of_haproxy_and_add_it_again():
    assert [balanced(name) for name in NAMES] == ["UP", "UP", "UP"]
    for hook, status in (("drain", "DRAIN"), ("undrain", "UP")):
        words = ["-i", INVENTORY, "--limit", f"{SECOND},balancer", "-e", f"greenlight_hook={hook}"]
        ended, output = end(WARM.playbook(*words, HOOKS))
        assert ended == 0, output
        assert balanced(SECOND) == status


def test_without_a_terminal_nothing_is_confirmed_and_nothing_is_touched():
    before = [sample.records(on(name)) for name in NAMES]
    status, output = deploy(greenlight_revision="good", greenlight_confirm=True)
    assert (status, "greenlight_confirm needs a terminal" in output) == (2, True)
    assert [sample.records(on(name)) for name in NAMES] == before


def test_two_revisions_in_one_run_are_refused(tmp_path):
    other = tmp_path / "other.ini"
    other.write_text(
        f"{FIRST} greenlight_revision=good\n{SECOND} greenlight_revision=better\n{THIRD} greenlight_revision=good\n"
    )
    status, output = deploy("-i", str(other))
    assert (status, f"greenlight_revision is 'good' on {FIRST} and 'better' on {SECOND}" in output) == (2, True)


def test_a_bad_second_host_rolls_the_first_one_back_and_the_third_is_never_touched(tmp_path):
    bad = tmp_path / "bad.ini"
    bad.write_text(f"[sample]\n{SECOND} greenlight_required_log_lines='[\"no revision writes this\"]'\n")
    untouched = sample.records(on(THIRD))
    status, output = deploy("-i", str(bad), greenlight_revision="good")
    assert status == 2
    assert are_on("better") == [True, True, True]
    assert [sample.record(on(name))["status"] for name in NAMES] == ["rolled_back", "rolled_back", "watching"]
    assert f"batch 2 of 3: {SECOND} failed" in sample.record(on(FIRST))["reason"]
    assert sample.records(on(THIRD)) == untouched
    assert "rolled back: since batch 2 of 3" in row(output, FIRST)
    assert "missing in the log: no revision writes this" in row(output, SECOND)
    assert "not touched" in row(output, THIRD)


def cut_off(name):
    """Let nobody reach a host any more, when it has switched and before its release is over."""
    newest = f"cat $(ls {sample.STATE}/releases/*.json | tail -1)"
    wait_for(lambda: sample.read_json(on(name), newest)["stage"] == "switched" and sample.record(on(name))["lock"])
    on(name).check_output("systemctl stop ssh && pkill -KILL -x sshd")


@pytest.fixture
def release_with_a_lost_host():
    process = begin("deploy", greenlight_batches=[1], greenlight_revision="good")
    before = len(sample.records(on(SECOND)))
    wait_for(lambda: len(sample.records(on(SECOND))) > before)
    cut_off(SECOND)
    yield end(process)


def test_a_host_that_is_lost_stops_the_run_and_the_commands_that_it_shows_finish_it(release_with_a_lost_host):
    status, output = release_with_a_lost_host
    on(SECOND).check_output("systemctl start ssh")
    assert status == 4
    assert [sample.record(on(name))["status"] for name in NAMES] == ["watching", "in_progress", "watching"]
    assert running(FIRST) == sample.revision(on(FIRST), "good")
    assert running(THIRD) == sample.revision(on(FIRST), "better")
    assert "lost: cannot be reached any more" in row(output, SECOND)
    commands = [line for line in re.findall(r'"  (ansible-playbook .*)"', output) if f"--limit {FIRST}" not in line]
    assert [re.findall(r"release\.(\w+) --limit (\S+)", line)[0] for line in commands] == [
        ("rollback", SECOND),
        ("deploy", f"{SECOND},{THIRD}"),
    ]
    for line in commands:
        subprocess.run([*shlex.split(line), "-e", f"@{FAST}"], check=True, stdin=subprocess.DEVNULL)
    assert are_on("good") == [True, True, True]


def test_slices_of_the_inventory_are_released_side_by_side():
    slices = [begin("deploy", "--limit", limit, greenlight_revision="better") for limit in (FIRST, f"{SECOND},{THIRD}")]
    assert [end(each)[0] for each in slices] == [0, 0]
    assert are_on("better") == [True, True, True]


def test_of_two_controllers_one_releases_and_the_other_is_refused():
    before = len(sample.records(on(FIRST)))
    one = begin("deploy", greenlight_batches=[1], greenlight_revision="good", greenlight_measure_seconds=5)
    wait_for(lambda: len(sample.records(on(FIRST))) > before)
    status, output = deploy(greenlight_revision="good", greenlight_allow_unhealthy_baseline=True)
    assert (status, "is held by" in row(output, FIRST)) == (2, True)
    assert end(one)[0] == 0
    assert are_on("good") == [True, True, True]
    assert len(sample.records(on(FIRST))) == before + 1


def test_hosts_that_have_the_revision_are_skipped_and_the_others_are_judged():
    assert end(begin("rollback", "--limit", FIRST, greenlight_rollback_reason="to begin again"))[0] == 0
    before = {name: sample.process(on(name))["pid"] for name in NAMES}
    fleet = {"metric": "error_rate", "scope": "fleet", "relative": True, "target": {"below": 10}, "action": "monitor"}
    status, output = deploy(
        greenlight_revision="good",
        greenlight_soak="1s",
        greenlight_decision_matrix_patches={"error_rate_of_all": fleet, "response_time": {"rollback_if": None}},
    )
    assert status == 0
    assert "released" in row(output, FIRST)
    assert ["had it already" in row(output, name) for name in (SECOND, THIRD)] == [True, True]
    assert [name for name in NAMES if sample.process(on(name))["pid"] != before[name]] == [FIRST]
    assert len(sample.record(on(FIRST))["observations"]) == 2


def test_a_batch_is_rolled_back_when_its_hosts_together_miss_the_matrix():
    fleet = {"metric": "response_time", "scope": "fleet", "target": {"below": 0.0001}, "action": "rollback"}
    status, output = deploy(
        greenlight_revision="better",
        greenlight_decision_matrix_patches={"all": fleet, "response_time": {"rollback_if": None}},
    )
    assert (status, are_on("good")) == (2, [True, True, True])
    assert "all its hosts together: response_time" in row(output, FIRST)
    assert [sample.record(on(name))["status"] for name in NAMES] == ["rolled_back", "watching", "watching"]
