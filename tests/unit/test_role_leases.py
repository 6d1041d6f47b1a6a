# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tasks of the roles and playbooks may take longer than a lease, and what keeps the lease of each."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
HEARTBEAT = "{{ __greenlight_heartbeat }}"
# These end at once: they work on the controller, or ask the host for one answer.
SHORT = {
    *("assert", "debug", "fail", "getent", "set_fact", "slurp", "stat", "systemd_service", "template"),
    *("release_record", "release_record_info", "sqlite_backup_info"),
}
# They release nothing.
OTHER_FILES = {"playbooks/init.yml", "playbooks/status.yml"}
INCLUDES = {"include_role", "import_role", "include_tasks", "import_tasks"}
# What takes long, and why no lease is needed. By the file and the name of the task.
WITHOUT = {
    # The run has no release yet.
    ("roles/deploy/tasks/plan.yml", "Plan | Resolve the revision"),
    ("roles/deploy/tasks/preflight.yml", "Preflight | Fetch the revision without touching the running one"),
    ("roles/deploy/tasks/first.yml", "First | Look for the process"),
    ("roles/deploy/tasks/first.yml", "First | Fetch the revision"),
    ("roles/verify/tasks/baseline.yml", "Baseline | Search the sources for patterns that the logs do not have"),
    ("playbooks/tasks/ask.yml", "Ask | Wait for a yes"),
    # It has the long lease from its beginning: nothing runs yet that another run could want to roll back.
    ("roles/deploy/tasks/first.yml", "First | Put the code in place"),
    ("roles/deploy/tasks/first_start.yml", "First | Start the app from its ecosystem file"),
    ("roles/deploy/tasks/first_away.yml", "First | Remove the process"),
    ("roles/deploy/tasks/first_away.yml", "First | Let nothing lead to its code"),
    # Its release is closed.
    ("roles/deploy/tasks/boot.yml", "Boot | Save what PM2 starts after a reboot"),
    ("roles/deploy/tasks/boot.yml", "Boot | Find the pm2 program"),
    ("roles/deploy/tasks/prune.yml", "Prune | Remove the files of older releases"),
    ("playbooks/tasks/soak.yml", "Soak | Wait"),
    ("playbooks/tasks/wait.yml", "Watch | Wait for the next observation"),
    # There is no release that it could hold up.
    ("roles/deploy/tasks/backup.yml", "Backup | Take a verified snapshot"),
    ("roles/deploy/tasks/drill.yml", "Drill | Restore the newest backup elsewhere"),
    ("playbooks/tasks/watch.yml", "Watch | Look at the app of a release that is not over"),
    # Nobody holds what a person has put right.
    ("roles/rollback/tasks/close_as_is.yml", "Close as it is | Look at the code"),
    ("roles/rollback/tasks/close_as_is.yml", "Close as it is | Look at the process"),
    ("roles/rollback/tasks/close_as_is.yml", "Close as it is | Ask the app"),
    # Sends for at most a few seconds for each service.
    ("roles/verify/tasks/notify.yml", "Notify | Send the event"),
}


def tasks_of(items):
    for item in items:
        for part in ("block", "rescue", "always", "tasks"):
            yield from tasks_of(item.get(part) or [])
        if not {"block", "hosts"} & set(item):
            yield item


def files():
    roots = ("roles/*/tasks/**/*.yml", "playbooks/**/*.yml")
    paths = sorted(path for pattern in roots for path in CHECKOUT.glob(pattern))
    return {str(path.relative_to(CHECKOUT)): path for path in paths}


def long_tasks():
    """Return the file, the name, the action and its arguments of each task that is not known to be short."""
    found = []
    for name, path in files().items():
        for task in tasks_of(yaml.safe_load(path.read_text(encoding="utf-8")) or []):
            action = next((key for key in task if "." in key), "")
            if name not in OTHER_FILES and action and action.split(".")[-1] not in SHORT | INCLUDES:
                found.append((name, task["name"], action.split(".")[-1], task[action]))
    return found


LONG = long_tasks()


@pytest.mark.parametrize(
    "action, given", [pytest.param(*found[2:], id=found[1]) for found in LONG if found[:2] not in WITHOUT]
)
def test_every_task_that_may_take_long_renews_the_lease_of_its_run(action, given):
    if action == "release_switch":
        assert given["lease_after"] == "{{ __greenlight_heartbeat.lease_after }}"
    else:
        assert given.get("heartbeat") == HEARTBEAT


def test_what_needs_no_lease_is_there():
    assert {found[:2] for found in LONG} >= WITHOUT


def test_a_hook_of_a_user_is_held_for_as_long_as_it_may_take():
    """Its tasks are not ours, so the lease is made longer before them, and by each later task shorter again."""
    (block,) = yaml.safe_load((CHECKOUT / "roles/verify/tasks/hook.yml").read_text(encoding="utf-8"))
    hold, include = block["block"]
    held = hold["greenlight.release.release_record"]
    assert (held["state"], held["lease"]) == ("held", "{{ greenlight_long_lease_seconds }}")
    assert "ansible.builtin.include_tasks" in include


@pytest.fixture(scope="module")
def leases():
    """Return the lease of a run as the roles give it to their long tasks, by what is the case."""
    given = {"greenlight_app_name": "shop", "__greenlight_run_id": "run 1", "ansible_play_hosts": ["web1"]}
    cases = {
        "one host": {},
        "several hosts": {"ansible_play_hosts": ["web1", "web2"]},
        "a batch of one": {"ansible_play_hosts": ["web1", "web2"], "__greenlight_batch": {"hosts": ["web1"]}},
        "a batch of two": {"__greenlight_batch": {"hosts": ["web1", "web2"]}},
        "a rollback": {"__greenlight_holder": "run 2"},
    }
    asked = {
        "collections": str(CHECKOUT / ".cache" / "collections"),
        "files": [str(CHECKOUT / f"roles/verify/{name}/main.yml") for name in ("defaults", "vars")],
        "variables": {},
        "expressions": {"heartbeat": HEARTBEAT},
        "cases": {
            **{name: {**given, **more} for name, more in cases.items()},
            "a watch": {"greenlight_app_name": "shop", "ansible_play_hosts": ["web1"]},
        },
    }
    program = [sys.executable, str(Path(__file__).parent / "role_renderer.py")]
    done = subprocess.run(program, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=120)
    return {name: found["heartbeat"] for name, found in json.loads(done.stdout).items()}


@pytest.mark.parametrize(
    "case, run_id, after",
    [
        ("one host", "run 1", 300),
        ("several hosts", "run 1", 1800),
        ("a batch of one", "run 1", 300),
        ("a batch of two", "run 1", 1800),
        ("a rollback", "run 2", 300),
        ("a watch", "", 300),
    ],
)
def test_a_host_that_waits_for_others_has_a_longer_lease_between_its_tasks(leases, case, run_id, after):
    assert (leases[case]["run_id"], leases[case]["lease"], leases[case]["lease_after"]) == (run_id, 300, after)
    assert leases[case]["state_path"] == "/var/lib/greenlight/shop"
