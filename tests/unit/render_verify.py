# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render the templates of the role verify with Ansible's own templar, for what recorded modules returned.

    render_verify.py < GIVEN.json

prints the results as JSON. It is a process of its own, since Ansible replaces how Python finds collections.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template

CHECKOUT = Path(__file__).resolve().parent.parent.parent
COLLECTIONS = CHECKOUT / ".cache" / "collections"
OMIT = "omitted here"


def load(path):
    return yaml.safe_load((CHECKOUT / "roles" / path).read_text(encoding="utf-8"))


def trusted(value):
    """Return what a file of a role says as what may be templated."""
    if isinstance(value, dict):
        return {key: trusted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [trusted(each) for each in value]
    return trust_as_template(value) if isinstance(value, str) else value


def arguments(path, *way):
    """Return the arguments of a task in a file of the role verify."""
    found = load(f"verify/tasks/{path}")
    for step in way:
        found = found[step]
    return trusted(found)


class Rendering:
    def __init__(self, given):
        variables = {"omit": OMIT, "playbook_dir": "/", "inventory_hostname": "here", "ansible_check_mode": False}
        variables.update(trusted(load("verify/defaults/main.yml")))
        variables.update(trusted(load("rollback/vars/main.yml")))
        variables.update(trusted(load("verify/vars/main.yml")))
        variables.update(given["options"])
        variables.update({f"__greenlight_{name}": value for name, value in given["facts"].items()})
        variables["__greenlight_since"] = self._since(given["since"])
        variables["__greenlight_release"] = trusted("{{ __greenlight_records.record }}")
        self.templar = Templar(DataLoader(), variables=variables)

    @staticmethod
    def _since(how):
        """Return what a log is read since, given by who asks: a task file of the role, or in words."""
        templates = {
            "baseline": arguments("baseline.yml", 1, "vars", "__greenlight_since"),
            "switch": arguments("decide.yml", 0, "vars", "__greenlight_since"),
            "observe": arguments("observe.yml", 0, "vars", "__greenlight_since"),
        }
        return templates[how] if isinstance(how, str) else how

    def of(self, template):
        """Return a template's result as JSON has it, without arguments that are omitted."""
        rendered = self.templar.template(template)
        if isinstance(rendered, dict):
            rendered = {key: value for key, value in rendered.items() if value != OMIT}
        return json.loads(json.dumps(rendered))

    def named(self, name):
        return self.of(trusted("{{ __greenlight_" + name + " }}"))


def render(given):
    role = Rendering(given)
    told = {
        "since": role.named("looks_back"),
        "matrix": role.named("matrix"),
        "known_metrics": role.named("known_metrics"),
        "is_complete": role.named("is_complete"),
        "look": role.of(arguments("measure.yml", 0, "greenlight.release.pm2_process_info")),
        "ask": role.of(arguments("ask.yml", 0, "greenlight.release.health_check")),
        "read": role.of(arguments("ask.yml", 1, "greenlight.release.log_assert")),
        **{name: role.named(name) for name in ("own_requests", "measurements", "serves", "problems", "missing_lines")},
    }
    if given["facts"].get("searched"):
        told["baseline"] = role.named("baseline")
        told["unwritten"] = role.of(trusted("{{ __greenlight_unwritten | zip(__greenlight_unwritten_patterns) }}"))
    if given["facts"].get("fresh_story") or (given["facts"]["records"].get("watch") and given["since"] != "baseline"):
        told["decision"] = role.of(arguments("matrix.yml", 0, "ansible.builtin.set_fact"))["greenlight_decision"]
        told["original_environment"] = role.named("original_environment")
        told["own_restarts"] = role.named("own_restarts")
    if given["facts"].get("environment"):
        role = Rendering({**given, "options": {**given["options"], "greenlight_decision": told["decision"]}})
        told["adjustable"] = role.named("adjustable")
        planned = role.of(arguments("adjust.yml", 1, "ansible.builtin.set_fact"))["__greenlight_planned_adjustment"]
        told["planned"] = planned
        for step, where in (("adjusted", ("block", 0)), ("restored", ("rescue", 1))):
            more = {"planned_adjustment": planned}
            there = Rendering({**given, "facts": {**given["facts"], **more}})
            passed = there.of(arguments("adjust.yml", 2, *where, "vars"))
            facts = {name.replace("__greenlight_", ""): value for name, value in passed.items()}
            there = Rendering({**given, "facts": {**given["facts"], **facts}})
            told[step] = {
                "facts": there.of(arguments("set_environment.yml", 0, "greenlight.release.release_record", "facts")),
                "env": there.of(arguments("set_environment.yml", 1, "greenlight.release.pm2_process", "env")),
            }
    return told


if __name__ == "__main__":
    init_plugin_loader([str(COLLECTIONS)])
    json.dump(render(json.load(sys.stdin)), sys.stdout)
