# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hooks of the examples, run as a release runs them."""

from __future__ import annotations

import json

import machine
import pytest

GONE = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


@pytest.mark.parametrize("hook, said", [("drain", "taken out of haproxy"), ("undrain", "added to haproxy again")])
def test_a_balancer_that_cannot_be_reached_fails_the_hook_and_keeps_the_host_in_the_run(tmp_path, hook, said):
    local = {"ansible_connection": "local", "ansible_python_interpreter": machine.interpreter()}
    hosts = {"all": {"children": {"app": {"hosts": {"web1": local}}, "balancer": {"hosts": {"lb1": GONE}}}}}
    (tmp_path / "hosts.json").write_text(json.dumps(hosts))
    variables = {
        "greenlight_hooks": {hook: [f"{machine.CHECKOUT}/examples/haproxy/{hook}.yml"]},
        "greenlight_app_name": "shop",
    }
    role = {"name": "greenlight.release.verify", "tasks_from": "hook"}
    run = {"ansible.builtin.include_role": role, "vars": {"__greenlight_hook": hook, "__greenlight_context": {}}}
    saved = {"ansible.builtin.debug": {"msg": "rolled back, as {{ ansible_failed_result.msg }}"}}
    play = {"hosts": "app", "gather_facts": False, "vars": variables, "tasks": [{"block": [run], "rescue": [saved]}]}
    (tmp_path / "play.json").write_text(json.dumps([play]))
    status, output = machine.play("-i", "hosts.json", "play.json", cwd=tmp_path)
    assert status == 0, output
    assert f"rolled back, as The hook {hook} failed" in output
    assert f"web1 could not be {said}" in output
