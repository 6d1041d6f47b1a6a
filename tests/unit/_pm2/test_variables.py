# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import (
    variables,
)
from pm2_fakes import (
    listed,
    state,
)


def test_the_secrets_of_what_runs_are_known_by_their_names():
    running = state(listed(env={"API_TOKEN": "hunter2", "PORT": 80}), listed(4, env=None))
    assert variables.running_secrets(running.processes, "shop") == {"hunter2"}


@pytest.mark.parametrize(
    "value, text",
    [(True, "true"), (False, "false"), (3000, "3000"), ("x", "x"), ({"a": [1]}, '{"a":[1]}'), (["ü"], '["ü"]')],
)
def test_variables_are_what_javascript_makes_of_them(value, text):
    assert variables.text(value) == text


def test_of_the_wanted_variables_only_the_names_are_left_among_the_arguments():
    params, hidden = {"env": {"PORT": 3000, "TOKEN": "t0p", "GONE": None}}, {"3000", "t0p"}
    assert variables.take_variables(params, hidden) == {"PORT": "3000", "TOKEN": "t0p"}
    assert (params, hidden) == ({"env": {"PORT": "hidden", "TOKEN": "hidden"}}, set())


def test_a_folder_of_the_shell_is_no_secret():
    processes = [listed(env={"OLDPWD": "/srv/shop", "DB_PWD": "hunter2"})]
    assert variables.running_secrets(processes, "shop") == {"hunter2"}


def test_an_app_is_known_by_its_own_variables_and_its_node_comes_first(monkeypatch):
    programs = {7: "/opt/node/bin/node", 0: ""}
    monkeypatch.setattr(variables.proc, "program_of", programs.get)
    env = {"PORT": 80, "PATH": "/usr/bin:/srv/bin", "PM2_HOME": "/p", "PWD": "/", "NODE_APP_INSTANCE": 0, "HOME": "/h"}
    found = variables.variables_of([listed(pid=7, env=env)], "shop", "/usr/bin:/bin")
    assert found == {"PORT": "80", "PATH": "/opt/node/bin:/usr/bin:/srv/bin:/bin"}
    assert variables.variables_of([listed(env={"PORT": 80})], "shop", "/bin") == {"PORT": "80", "PATH": "/bin"}
    assert variables.variables_of([listed()], "other", "/bin") == {}
