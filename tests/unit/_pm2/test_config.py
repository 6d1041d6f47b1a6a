# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import ecosystem
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from pm2_fakes import FOLDER, make


@pytest.mark.parametrize(
    "given, kept",
    [
        ({"max_memory_restart": "300M"}, {"max_memory_restart": 300 * 1024**2}),
        ({"max_memory_restart": "1024"}, {"max_memory_restart": 1024}),
        ({"min_uptime": "1.5s"}, {"min_uptime": 1500}),
        ({"kill_timeout": "5000"}, {"kill_timeout": 5000}),
        ({"restart_delay": 0.5}, {"restart_delay": 0.5}),
        ({"args": "--a 'b c'"}, {"args": ["--a", "b c"]}),
        ({"args": ["--a", 1]}, {"args": ["--a", "1"]}),
        ({"time": True}, {"log_date_format": "YYYY-MM-DDTHH:mm:ss"}),
        ({"automation": False}, {"pmx": False}),
        ({"wait_ready": True}, {"wait_ready": True}),
        ({"out_file": "logs/out-3.log"}, {"pm_out_log_path": "/srv/shop/logs/out.log"}),
        ({"exec_interpreter": "/opt/node"}, {"exec_interpreter": "/opt/node"}),
        ({"instances": "max"}, {"instances": 4, "exec_mode": "cluster_mode"}),
        ({"instances": -1}, {"instances": 3, "exec_mode": "cluster_mode"}),
        ({"instances": -9}, {"instances": 1, "exec_mode": "fork_mode"}),
        ({"instances": 1, "script": "npm start"}, {"exec_mode": "fork_mode", "args": ["-c", "npm start"]}),
        ({"instances": 1, "script": "a.ts"}, {"exec_mode": "cluster_mode"}),
        ({"instances": 1, "script": "a.sh"}, {"exec_mode": "fork_mode"}),
        ({"instances": 1, "script": "a.sh", "interpreter": "/opt/bun"}, {"exec_mode": "cluster_mode"}),
        ({"instances": 1, "script": "a.mjs", "interpreter": "node@24"}, {"exec_mode": "fork_mode"}),
        ({"instances": 1, "script": "npm start"}, {"exec_mode": "fork_mode"}),
        ({"instances": 1, "script": "npm start", "interpreter": "node"}, {"exec_mode": "cluster_mode"}),
        ({"instances": 1, "execute_command": True}, {"exec_mode": "fork_mode"}),
        ({"log_file": True}, {"pm_log_path": "{PM2_HOME}/logs/shop.log"}),
        ({"instances": 1, "exec_mode": "fork"}, {"instances": 1, "exec_mode": "fork_mode"}),
        ({"instances": 2, "script": "a.py"}, {"instances": 2, "exec_mode": "fork_mode"}),
        ({}, {"instances": 1, "exec_mode": "fork_mode", "pm_cwd": "/srv/shop", "pm_exec_path": "/srv/shop/server.js"}),
        ({}, {"pm_out_log_path": "{PM2_HOME}/logs/shop-out.log", "pm_err_log_path": "{PM2_HOME}/logs/shop-error.log"}),
        ({"cwd": "../current/"}, {"pm_cwd": "/srv/current", "pm_exec_path": "/srv/current/server.js"}),
        ({"script": "/bin/sh"}, {"pm_exec_path": "/bin/sh"}),
        ({"script": "npm start"}, {"args": ["-c", "npm start"]}),
    ],
)
def test_a_configuration_is_kept_as_pm2_keeps_it(given, kept):
    config = make(described={"name": "shop", "script": "server.js", **given})
    assert {key: config.kept[key] for key in kept} == kept


def test_a_program_on_path_is_a_script_too(tmp_path):
    (tmp_path / "npm").touch(mode=0o755)
    config = pm2_config.make_config("shop", {"script": "npm"}, {}, FOLDER, 1, str(tmp_path))
    assert (config.kept["pm_exec_path"], config.app["script"]) == (str(tmp_path / "npm"), "npm")


@pytest.mark.parametrize(
    "options, script",
    [
        ({"script": "/srv/a b/server.js", "cwd": "/srv/a b"}, "server.js"),
        ({"script": "/srv/a b/server.js", "cwd": "/srv"}, None),
        ({"script": "a server.js"}, None),
    ],
)
def test_a_script_with_a_space_is_placed_by_its_folder_or_refused(options, script):
    if script is None:
        with pytest.raises(PM2Error, match="PM2 takes a script with a space for a shell command; set cwd"):
            make(options)
    else:
        assert make(options).app["script"] == script


@pytest.mark.parametrize("value, hint", [("much", "a number, or one followed by K, M, G"), ("", "a number, or one")])
def test_a_number_that_is_none_is_refused(value, hint):
    with pytest.raises(PM2Error, match=f"max_memory_restart must be {hint}"):
        make({"script": "a.js", "max_memory_restart": value})


def test_a_number_without_units_is_refused_by_its_name():
    with pytest.raises(PM2Error, match="kill_timeout must be a number, not 'soon'"):
        make({"script": "a.js", "kill_timeout": "soon"})


@pytest.mark.parametrize(
    "given, message",
    [
        ({"instances": "auto"}, "instances must be a whole number or max, not 'auto'"),
        ({"instances": [2]}, "instances must be a whole number or max"),
        ({"args": "--token 'x"}, "args cannot be split into arguments: No closing quotation; correct it"),
        ({"env": ["A"]}, "env of the ecosystem file must be an object, not a list"),
    ],
)
def test_an_ecosystem_file_with_a_value_that_pm2_cannot_read_is_refused(given, message):
    with pytest.raises(PM2Error, match=message):
        make(described={"script": "a.js", **given})


def test_null_in_an_ecosystem_file_is_as_if_it_were_not_there():
    given = {"script": "a.js", "env": None, "interpreter": None, "instances": None}
    assert make(described=given).kept == make(described={"script": "a.js"}).kept


@pytest.mark.parametrize(
    "options", [{"instances": 2}, {"exec_mode": "fork"}, {"cwd": "/srv"}, {"exec_interpreter": "bun"}], ids=str
)
def test_what_counts_only_with_a_script_is_refused_without_one(options):
    option = next(iter(options)).replace("exec_interpreter", "interpreter")
    with pytest.raises(PM2Error, match=f"{option} counts only with a script; give script, or config"):
        make(options)


def test_the_path_of_an_interpreter_can_be_wanted_alone():
    assert make({"exec_interpreter": "/opt/node"}).kept == {"exec_interpreter": "/opt/node"}


def test_options_take_precedence_over_the_ecosystem_file_and_null_variables_are_none():
    described = {"script": "a.js", "env": {"A": 1, "B": 2, "N": None}, "kill_timeout": 1, "port": 80}
    config = make({"env": {"B": "3"}, "kill_timeout": 9}, described)
    assert (config.env, config.kept["kill_timeout"], config.whole) == ({"A": "1", "B": "3", "PORT": "80"}, 9, True)
    written = json.loads(ecosystem.write(config))["apps"][0]
    assert (written["name"], written["cwd"], written["env"]["B"]) == ("shop", "/srv/shop", "3")
    assert written["env_greenlight"] == {"A": "", "B": "", "PORT": ""}


def test_without_a_script_only_what_is_given_is_wanted():
    config = make({"env": {"A": "1", "N": None}, "kill_timeout": 9})
    assert config == Config({}, {"kill_timeout": 9}, {"A": "1"}, whole=False)


@pytest.mark.parametrize("content, mode", [(b"\x7fELF\0", "fork_mode"), (b"#!/usr/bin/env node\n", "cluster_mode")])
def test_a_program_runs_itself_and_a_text_is_for_node(tmp_path, content, mode):
    (tmp_path / "program").write_bytes(content)
    assert make({"instances": 1, "script": str(tmp_path / "program")}).kept["exec_mode"] == mode
