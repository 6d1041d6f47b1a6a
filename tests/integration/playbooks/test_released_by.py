# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds a release is told by a name, however the run was started."""

from __future__ import annotations

import json
import os
import pwd

import machine
import pytest
import yaml


@pytest.mark.parametrize(
    "env, name",
    [
        ({"USER": "", "SUDO_USER": ""}, pwd.getpwuid(os.getuid()).pw_name),
        ({"USER": "alice", "SUDO_USER": ""}, "alice"),
        ({"USER": "root", "SUDO_USER": "alice"}, "alice"),
    ],
)
def test_the_user_on_the_controller_is_named(tmp_path, env, name):
    tasks = [
        {"ansible.builtin.import_role": {"name": "greenlight.release.verify", "tasks_from": "status"}},
        {"ansible.builtin.debug": {"msg": "held by <{{ greenlight_released_by }}>"}},
    ]
    play = {"hosts": "all", "gather_facts": False, "connection": "local", "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    variables = {
        "ansible_python_interpreter": machine.interpreter(),
        "greenlight_app_name": "shop",
        "greenlight_state_path": str(tmp_path / "state"),
    }
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"vars": variables, "hosts": {"here": {}}}}))
    status, output = machine.play("-i", tmp_path / "hosts.json", tmp_path / "play.yml", env=env)
    assert (status, f"held by <{name}>" in output) == (0, True), output
