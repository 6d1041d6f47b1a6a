# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is included in a loop keeps its order on every host, though other hosts have other loops.

Ansible puts a file that several hosts include where the first of them has it, and another host's own files after it,
unless the loops themselves differ: a host would switch before its new tree is staged.
"""

from __future__ import annotations

import re

import machine
import pytest
import yaml


def looping_tasks(tasks):
    """Yield every task that includes files in a loop, also those within blocks."""
    for task in tasks:
        for part in ("block", "rescue", "always"):
            yield from looping_tasks(task.get(part, []))
        if "ansible.builtin.include_tasks" in task and "loop" in task:
            yield task


def include_loops(folder):
    for path in sorted(machine.CHECKOUT.glob(f"{folder}/tasks/*.yml")):
        for task in looping_tasks(yaml.safe_load(path.read_text(encoding="utf-8")) or []):
            yield pytest.param(task, id=f"{path.parent.parent.name}/{path.stem}")


@pytest.mark.parametrize("task", list(include_loops("roles/*")))
def test_a_host_with_more_files_includes_them_in_their_order(task, tmp_path):
    for name in ("stage", "switch", "judge"):
        (tmp_path / f"{name}.yml").write_text(f"- name: Step {name}\n  ansible.builtin.debug:\n")
    variable = task["loop_control"]["loop_var"]
    wanted = {"few": ["switch", "judge"], "more": ["stage", "switch", "judge"]}
    loop = {
        **task,
        "ansible.builtin.include_tasks": f"{{{{ {variable} }}}}.yml",
        "loop": f"{{{{ {wanted}[inventory_hostname] }}}}",
    }
    play = tmp_path / "play.yml"
    play.write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [loop]}]))
    status, output = machine.play("-i", "few,more,", play)
    assert status == 0, output
    steps = [block.partition("]")[0] for block in output.split("TASK [Step ")[1:] if "[more]" in block]
    assert steps == ["stage", "switch", "judge"]
    assert len(re.findall(r"ok: \[few\]", output)) == 2
