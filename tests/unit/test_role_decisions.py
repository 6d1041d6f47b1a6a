# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles deploy and rollback and the playbooks decide, compared with recordings.

The inputs are what the modules returned in real runs. A recording has variables and outcomes that all its cases share,
and for each case those that differ. Everything is rendered from the files of the roles, with Ansible's own templates.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
RECORDINGS = Path(__file__).parent / "recordings" / "roles"


def load(path):
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


def tasks_in(tasks):
    for task in tasks:
        yield task
        for part in ("block", "rescue", "always", "tasks"):
            yield from tasks_in(task.get(part, []))


def part(path, task, *keys):
    """Return a part of the named task of a file, and a condition as a template."""
    value = next(each for each in tasks_in(load(path)) if each.get("name") == task)
    for key in keys:
        value = value[key]
    if keys[-1] in ("when", "that"):
        conditions = value if isinstance(value, list) else [value]
        return "{{ " + " and ".join(f"({each}) | bool" for each in conditions) + " }}"
    return value


RECORD, SWITCH, TREE = (f"greenlight.release.release_{name}" for name in ("record", "switch", "tree"))
ASSERT, DEBUG, FAIL = (f"ansible.builtin.{name}" for name in ("assert", "debug", "fail"))
STAGE, PREFLIGHT, FAILED, REHEARSE, BOOT_TASKS = (
    f"roles/deploy/tasks/{name}.yml" for name in ("stage", "preflight", "roll_back", "rehearse", "boot")
)
DEPLOY = {
    "steps": "{{ __greenlight_steps }}",
    "plan": "{{ __greenlight_plan }}",
    "built_anew": part(STAGE, "Stage | Prepare the new tree next to the old one", TREE, "built_anew"),
    "opens": part(PREFLIGHT, "Preflight | Open the release record", "when"),
    "refuse": part(PREFLIGHT, "Preflight | Open the release record", RECORD, "refuse"),
    "facts": part(PREFLIGHT, "Preflight | Open the release record", RECORD, "facts"),
    "at_once": part("roles/deploy/tasks/switch_over.yml", "Switch | Switch to the new revision", SWITCH, "roll_back"),
    "context": "{{ __greenlight_forward }}",
    "rolls_back": part(FAILED, "Roll back | Run the role", "when"),
    "message": part(FAILED, "Roll back | Fail the host with the reason", FAIL, "msg"),
    "rehearsal": part(REHEARSE, "Rehearse | Show what the release would do", DEBUG, "msg"),
}
BOOT = {
    "is_safe": part(BOOT_TASKS, "Boot | Accept plain paths only", ASSERT, "that"),
    "home": "{{ __greenlight_pm2_startup_home }}",
    "service": (CHECKOUT / "roles/deploy/templates/pm2.service.j2").read_text(encoding="utf-8"),
}
ROLL_BACK, CONCLUDE, VERIFY, MAIN = (
    f"roles/rollback/tasks/{name}.yml" for name in ("roll_back", "conclude", "verify", "main")
)
ROLLBACK = {
    "nothing": part(MAIN, "Show why nothing is rolled back", "when"),
    "why_nothing": part(MAIN, "Show why nothing is rolled back", DEBUG, "msg"),
    "rolls_back": part(MAIN, "Roll back and notify", "when"),
    "gives_up": part(MAIN, "Abort a release that had changed nothing", "when"),
    "noted": {
        "observation": part(
            ROLL_BACK, "Roll back | Record the evidence before anything is changed", RECORD, "observation"
        ),
        "evidence": part(ROLL_BACK, "Roll back | Record the evidence before anything is changed", RECORD, "evidence"),
    },
    "given_up": {
        "observation": part(MAIN, "Abort a release that had changed nothing", RECORD, "observation"),
    },
    "restart": part(ROLL_BACK, "Roll back | Roll back process, database and code", SWITCH, "restart"),
    "environment": part(ROLL_BACK, "Roll back | Roll back process, database and code", SWITCH, "env"),
    "rehearsal": part(ROLL_BACK, "Roll back | Show what would be done", DEBUG, "msg"),
    "required_lines": part(
        VERIFY, "Verify | Measure and judge the old revision", "vars", "__greenlight_since", "required"
    ),
    "databases": part(VERIFY, "Verify | Close the release", RECORD, "facts", "databases"),
    "success": part(VERIFY, "Verify | Report whether the old revision serves", ASSERT, "success_msg"),
    "failure": part(VERIFY, "Verify | Report whether the old revision serves", ASSERT, "fail_msg"),
    "missed_hooks": "{{ __greenlight_missed_hooks }}",
    "event": "{{ __greenlight_event }}",
    "context": "{{ __greenlight_rollback_plan.context }}",
    "notified": part(
        CONCLUDE, "Conclude | Notify that the release was rolled back", "vars", "__greenlight_event_decision"
    ),
    "notifies": part(CONCLUDE, "Conclude | Notify that the release was rolled back", "when"),
}
WATCH, BY_NAME = "playbooks/tasks/watch.yml", "playbooks/tasks/roll_back.yml"
PLAYBOOKS = {
    "finishes_a_rollback": part(WATCH, "Watch | Finish a rollback that a dead run left unfinished", "when"),
    "died": part(WATCH, "Watch | Refuse a host that a dead run left unfinished", FAIL, "msg"),
    "keeps": part(WATCH, "Watch | Keep the observation", "when"),
    "notifies": part(WATCH, "Watch | Notify of a changed decision", "when"),
    "rolls_back": part(WATCH, "Watch | Roll back", "when"),
    "progress": part(WATCH, "Watch | Report the progress", ASSERT, "success_msg"),
    "rolled_back": part(WATCH, "Watch | Report the progress", ASSERT, "fail_msg"),
    "watches_on": part(WATCH, "Watch | Continue until the watch ends", "when"),
    "left_alone": part(BY_NAME, "Roll back | Skip a host that has another release", "when"),
    "roll_back_asked": part(BY_NAME, "Roll back | Run the role", "when"),
    "judged_together": part("playbooks/tasks/gated.yml", "Gate | Judge the hosts together", "vars", "__greenlight_new"),
    "compared_with": part("playbooks/tasks/together.yml", "Together | Judge the batch", "vars", "__greenlight_old"),
}
OF_TASKS = {
    **part(FAILED, "Roll back | Roll back the release, and fail", "vars"),
    **part(BOOT_TASKS, "Boot | Accept plain paths only", "vars"),
    **part(ROLL_BACK, "Roll back | Record the evidence before anything is changed", "vars"),
    **part(CONCLUDE, "Conclude | Warn of failed hooks and notify", "vars"),
}
EXPRESSIONS = {"deploy": DEPLOY, "boot": BOOT, "rollback": ROLLBACK, "playbooks": PLAYBOOKS}
VARIABLES = {"deploy": "deploy", "boot": "deploy", "rollback": "rollback", "playbooks": "rollback"}


def read(name):
    return json.loads((RECORDINGS / f"{name}.json").read_text(encoding="utf-8"))


def render(name):
    """Return the value of every expression of a role in every case of its recording."""
    recording = read(name)
    files = [f"roles/{role}/defaults/main.yml" for role in ("verify", "deploy", "rollback")]
    files.append("roles/verify/vars/main.yml")
    asked = {
        "collections": str(CHECKOUT / ".cache" / "collections"),
        "files": [str(CHECKOUT / path) for path in [*files, f"roles/{VARIABLES[name]}/vars/main.yml"]],
        "variables": OF_TASKS,
        "expressions": EXPRESSIONS[name],
        "cases": {case: {**recording["given"], **details["given"]} for case, details in recording["cases"].items()},
    }
    program = [sys.executable, str(Path(__file__).parent / "role_renderer.py")]
    done = subprocess.run(program, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def rendered():
    return {name: render(name) for name in EXPRESSIONS}


@pytest.mark.parametrize("name, case", [(name, case) for name in EXPRESSIONS for case in read(name)["cases"]])
def test_a_role_decides_as_it_was_recorded(rendered, name, case):
    recording = read(name)
    assert rendered[name][case] == {**recording["outcome"], **recording["cases"][case]["outcome"]}
