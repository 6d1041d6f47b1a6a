# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config, Difference
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import PM2Error

RECORDINGS = Path(__file__).parent / "recordings"
FOLDER = Path("/srv/shop")


def make(options=None, described=None, cpus=4, name="shop"):
    return pm2_config.make_config(name, described, options or {}, FOLDER, cpus)


def running(config, **changes):
    """Return what PM2 keeps of a process that was started with a configuration."""
    kept = {key: value for key, value in config.kept.items() if value is not None and key != "instances"}
    logs = {key: value.replace("{PM2_HOME}", "/p") for key, value in kept.items() if key.endswith("_log_path")}
    env = {**config.env, "unique_id": "u", "PWD": config.kept["pm_cwd"]}
    remembered = {"env_greenlight": config.app["env_greenlight"], "env": env, "PM2_HOME": "/p"}
    return {"pm_id": 0, "name": "shop", "pm2_env": {**kept, **logs, **remembered, **changes}}


@pytest.mark.parametrize(
    "given, word, value",
    [
        ({"killTimeout": 5}, "kill_timeout", 5),
        ({"interpreterArgs": "-x"}, "node_args", "-x"),
        ({"interpreter": "bun"}, "exec_interpreter", "bun"),
        ({"exec": "a.js"}, "script", "a.js"),
        ({"err_log": "/e"}, "error_file", "/e"),
        ({"windowsHide": True}, "windowsHide", True),
        ({"env_productionLike": {}}, "env_productionLike", {}),
    ],
)
def test_the_many_words_of_an_ecosystem_file_become_one(given, word, value):
    assert pm2_config.canonical(given) == {word: value}


@pytest.mark.parametrize(
    "value, text",
    [(True, "true"), (False, "false"), (3000, "3000"), ("x", "x"), ({"a": [1]}, '{"a":[1]}'), (["ü"], '["ü"]')],
)
def test_variables_are_what_javascript_makes_of_them(value, text):
    assert pm2_config.text(value) == text


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
        ({"instances": -9}, {"instances": 1}),
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
def test_what_counts_only_beside_a_script_is_refused_without_one(options):
    option = next(iter(options)).replace("exec_interpreter", "interpreter")
    with pytest.raises(PM2Error, match=f"{option} counts only beside a script; give script, or config"):
        make(options)


def test_the_path_of_an_interpreter_can_be_wanted_alone():
    assert make({"exec_interpreter": "/opt/node"}).kept == {"exec_interpreter": "/opt/node"}


def test_options_stand_above_the_ecosystem_file_and_null_variables_are_none():
    described = {"script": "a.js", "env": {"A": 1, "B": 2, "N": None}, "kill_timeout": 1, "port": 80}
    config = make({"env": {"B": "3"}, "kill_timeout": 9}, described)
    assert (config.env, config.kept["kill_timeout"], config.whole) == ({"A": "1", "B": "3", "PORT": "80"}, 9, True)
    written = json.loads(pm2_config.ecosystem(config))["apps"][0]
    assert (written["name"], written["cwd"], written["env"]["B"]) == ("shop", "/srv/shop", "3")
    assert written["env_greenlight"] == {"A": "", "B": "", "PORT": ""}


def test_without_a_script_only_what_is_given_is_wanted():
    config = make({"env": {"A": "1", "N": None}, "kill_timeout": 9})
    assert config == Config({}, {"kill_timeout": 9}, {"A": "1"}, whole=False)


WHOLE = {"script": "server.js", "env": {"PORT": "80", "TOKEN": "hunter2"}}


def test_what_runs_as_wanted_does_not_differ():
    config = make(WHOLE)
    assert pm2_config.differences(config, [running(config)]) == []
    assert pm2_config.differences(make({"env": {"PORT": "80"}}), [running(config)]) == []


@pytest.mark.parametrize(
    "recording", sorted(RECORDINGS.glob("*fork-cluster*")), ids=lambda path: path.name.partition("-linux")[0]
)
def test_what_every_version_of_pm2_was_told_does_not_differ(recording):
    listed = {each["name"]: each for each in json.loads(recording.read_text())}
    workers = [each for each in json.loads(recording.read_text()) if each["name"] == "workers"]
    shop = make({**WHOLE, "env": {"PORT": "4801", "TOKEN": "hunter2"}, "kill_timeout": 3000})
    assert pm2_config.differences(shop, [listed["shop"]]) == []
    assert pm2_config.differences(make({"script": "server.js", "instances": 2}, name="workers"), workers) == []


@pytest.mark.parametrize(
    "changes, found",
    [
        ({"kill_timeout": 3000}, [Difference("kill_timeout", 3000, None)]),
        ({"args": None}, []),
        ({"exec_mode": "cluster_mode"}, [Difference("exec_mode", "cluster_mode", "fork_mode")]),
        ({"pm_out_log_path": "/p/logs/shop-out-3.log"}, []),
        ({"env": {"PORT": "80"}}, [Difference("TOKEN", None, "hunter2", is_env=True)]),
        (
            {"env": {"PORT": 81, "TOKEN": "hunter2", "OLD": "1"}, "env_greenlight": {"OLD": "", "GONE": ""}},
            [Difference("OLD", "1", None, is_env=True), Difference("PORT", "81", "80", is_env=True)],
        ),
    ],
)
def test_what_differs_is_found_whichever_instance_has_it(changes, found):
    config = make({**WHOLE, "instances": 2, "exec_mode": "fork"})
    assert pm2_config.differences(config, [running(config), running(config, **changes)]) == found


def test_the_number_of_instances_is_a_setting():
    config = make({**WHOLE, "instances": 2})
    assert pm2_config.differences(config, [running(config)]) == [Difference("instances", 1, 2)]


@pytest.mark.parametrize(
    "difference, can",
    [
        (Difference("kill_timeout", 1, 2), True),
        (Difference("kill_timeout", 1, None), True),
        (Difference("instances", 1, 2), False),
        (Difference("log_type", None, "null"), False),
        (Difference("TOKEN", "a", None, is_env=True), True),
        (Difference("token", "a", None, is_env=True), False),
        (Difference("token", "a", "b", is_env=True), True),
        (Difference("args", "a", None, is_env=True), False),
    ],
)
def test_what_pm2_takes_over_with_a_restart(difference, can):
    assert pm2_config.can_be_handed_over([difference]) is can


def test_changes_carry_the_whole_environment_and_remove_by_name():
    config = make({**WHOLE, "cwd": "/srv/new"})
    process = running(make(WHOLE))
    found = [
        Difference("OLD", "1", None, is_env=True),
        Difference("PORT", "81", "80", is_env=True),
        Difference("kill_timeout", 3000, None),
        Difference("pm_cwd", "/srv/shop", "/srv/new"),
    ]
    process["pm2_env"]["env"]["OLD"] = "1"
    assert pm2_config.changes_for(config, process, found) == {
        "OLD": "null",
        "kill_timeout": "null",
        "pm_cwd": "/srv/new",
        "cwd": "/srv/new",
        "env_greenlight": {"PORT": "", "TOKEN": ""},
        "env": {"PORT": "80", "TOKEN": "hunter2", "unique_id": "u", "PWD": "/srv/new"},
    }


def test_changes_of_a_part_leave_what_is_remembered():
    changes = pm2_config.changes_for(make({"env": {"A": "1"}}), running(make(WHOLE)), [])
    assert set(changes) == {"env"}


def test_differences_are_described_without_the_values_of_variables():
    found = [
        Difference("TOKEN", "hunter2", "hunter3", is_env=True),
        Difference("NEW", None, "hunter2", is_env=True),
        Difference("kill_timeout", None, 9),
    ]
    assert pm2_config.describe(found, "before") == {"env.TOKEN": "hidden value", "env.NEW": None, "kill_timeout": None}
    assert pm2_config.describe(found, "after") == {
        "env.TOKEN": "another hidden value",
        "env.NEW": "another hidden value",
        "kill_timeout": 9,
    }


def test_a_variable_that_one_of_several_instances_does_not_have_is_removed_from_the_others():
    gone = Difference("OLD", "1", None, is_env=True)
    changes = pm2_config.changes_for(make(WHOLE), running(make(WHOLE)), [gone])
    assert (changes["OLD"], "OLD" in changes["env"]) == ("null", False)


def test_of_the_wanted_variables_only_the_names_are_left_among_the_arguments():
    params, hidden = {"env": {"PORT": 3000, "TOKEN": "t0p", "GONE": None}}, {"3000", "t0p"}
    assert pm2_config.take_variables(params, hidden) == {"PORT": "3000", "TOKEN": "t0p"}
    assert (params, hidden) == ({"env": {"PORT": "hidden", "TOKEN": "hidden"}}, set())
