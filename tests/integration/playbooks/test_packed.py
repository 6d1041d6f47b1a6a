# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other tests run modules in forks of a process that has imported everything; here Ansible packs and sends them."""

from __future__ import annotations

import json
import re
import sys

from machine import CHECKOUT, play

NAMES = sorted(path.stem for path in (CHECKOUT / "plugins" / "modules").glob("*.py"))


def test_every_module_answers_when_ansible_has_packed_it(tmp_path):
    asked = [{f"greenlight.release.{name}": {"nonsense": 1}, "register": name, "failed_when": False} for name in NAMES]
    answers = "{{ {" + ", ".join(f"'{name}': {name}.msg" for name in NAMES) + "} | to_json }}"
    kept = {"ansible.builtin.copy": {"content": answers, "dest": str(tmp_path / "answers.json")}}
    settings = {"hosts": "all", "gather_facts": False, "vars": {"ansible_python_interpreter": sys.executable}}
    (tmp_path / "play.json").write_text(json.dumps([{**settings, "tasks": [*asked, kept]}]))
    status, output = play("-i", "localhost,", "-c", "local", "play.json", cwd=tmp_path)
    assert status == 0, output
    answered = json.loads((tmp_path / "answers.json").read_text())
    # What a module says of its options, it says when all that it imports has come with it.
    missing = re.compile(
        "missing required arguments: |following (is required|are missing): |Unsupported parameters for "
    )
    assert {name: msg for name, msg in answered.items() if not missing.search(msg)} == {}
    assert sorted(answered) == NAMES
