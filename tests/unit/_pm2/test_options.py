# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import ecosystem, options
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program

HOME = Path("/home/shop/.pm2")


def check(home=HOME, **params):
    options.check({"timeout": 60.0, "stable_for": 5.0, "port": None, **params}, home)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"stable_for": 0.0, "timeout": 0.1},
        {"port": 0},
        {"port": 65535},
        {"more_ports": [1, 65535]},
        {"kill_timeout": 0, "listen_timeout": 59_999},
        {"kill_timeout": None},
    ],
    ids=str,
)
def test_what_can_be_done_is_accepted(params):
    check(**params)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"timeout": -1.0}, "timeout must be a number of seconds above 0, not -1"),
        ({"timeout": 0.0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": math.nan}, "timeout must be a number of seconds above 0, not nan"),
        ({"start_timeout": 0.0}, "start_timeout must be a number of seconds above 0, not 0"),
        ({"stop_timeout": math.inf}, "stop_timeout must be a number of seconds above 0, not inf"),
        ({"stable_for": math.inf}, "stable_for must be a number of seconds from 0, not inf"),
        ({"stable_for": -0.5}, "stable_for must be a number of seconds from 0, not -0.5"),
        ({"port": 65536}, "port must be from 0 to 65535, not 65536"),
        ({"port": -1}, "port must be from 0 to 65535, not -1"),
        ({"more_ports": [80, 0]}, "more_ports must be from 1 to 65535, not 0"),
        ({"home": Path(".pm2")}, "PM2_HOME must be an absolute path, not .pm2"),
        ({"kill_timeout": -1}, "kill_timeout must be a number of milliseconds from 0, not -1"),
        ({"kill_timeout": 60_000}, "kill_timeout of 60000 ms must be shorter than timeout of 60 seconds"),
        ({"listen_timeout": 90_000}, "listen_timeout of 90000 ms must be shorter than timeout of 60 seconds"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_value(params, message):
    with pytest.raises(PM2Error, match=message):
        check(**params)


def test_wanted_variables_are_a_configuration():
    assert options.variables_config("shop", {}) is None
    assert options.variables_config("shop", {"TTL": "30"}).env == {"TTL": "30"}


def params(**given):
    names = ("args", "cwd", "error_file", "exec_mode", "instances", "interpreter", "kill_timeout", "listen_timeout")
    names += ("max_memory_restart", "node_args", "out_file", "script", "time", "wait_ready", "config", "env_name")
    return {**dict.fromkeys(names), "name": "shop", "state": "started", "allow_root": False, **given}


@pytest.mark.parametrize("given", [{}, {"script": "/s.js", "state": "stopped"}, {"config": "/e.js", "state": "absent"}])
def test_where_nothing_is_given_or_to_be_started_any_configuration_will_do(given, host):
    assert options.read_config(params(**given), {}, host(None), 1, "/bin", 1000) is None


def test_options_become_the_words_of_an_ecosystem_file(host):
    given = params(script="/srv/shop/s.js", interpreter="/opt/node", kill_timeout=5)
    config = options.read_config(given, {"PORT": "80"}, host(None), 1, "/bin", 1000)
    assert (config.kept["exec_interpreter"], config.kept["kill_timeout"]) == ("/opt/node", 5)
    assert (config.kept["pm_cwd"], config.env) == ("/srv/shop", {"PORT": "80"})


@pytest.fixture
def with_program(host, tmp_path):
    """A host whose program would be asked with the PATH of this folder."""
    there = host(None)
    (tmp_path / "pm2").touch(mode=0o755)
    program = Program(str(tmp_path / "pm2"), {"PATH": str(tmp_path)}, 5)
    return dataclasses.replace(there, program=lambda: program)


def test_an_ecosystem_file_is_read_by_the_node_next_to_pm2_with_the_variables(with_program, tmp_path, monkeypatch):
    (tmp_path / "node").touch(mode=0o755)
    asked = []
    monkeypatch.setattr(ecosystem, "read_apps", lambda *given: asked.append(given) or {"shop": {"script": "s.js"}})
    config = options.read_config(params(config=str(tmp_path / "e.js")), {"A": "1"}, with_program, 1, "/bin", 1000)
    program, node, file, names, env_name, elsewhere = asked[0]
    assert (program.environment["A"], node, file) == ("1", str(tmp_path / "node"), tmp_path / "e.js")
    assert (names, env_name, elsewhere) == (("shop",), "", None)
    assert (config.env_name, config.own) == (None, {"A"})
    assert config.kept["pm_exec_path"] == str(tmp_path / "s.js")


def test_the_name_of_a_block_goes_with_an_ecosystem_file(with_program, tmp_path, monkeypatch):
    (tmp_path / "node").touch(mode=0o755)
    asked = []
    monkeypatch.setattr(ecosystem, "read_apps", lambda *given: asked.append(given) or {"shop": {"script": "s.js"}})
    given = params(config=str(tmp_path / "e.js"), env_name="production")
    assert options.read_config(given, {}, with_program, 1, "/bin", 1000).env_name == "production"
    assert asked[0][4] == "production"
    with pytest.raises(PM2Error, match="env_name 'production' counts only with config; give config, or leave it out"):
        options.read_config(params(script="/s.js", env_name="production"), {}, with_program, 1, "/bin", 1000)


def test_an_ecosystem_file_needs_node(with_program):
    with pytest.raises(PM2Error, match="node was not found next to .*/pm2 or on PATH; set executable to the pm2"):
        options.read_config(params(config="/e.js"), {}, with_program, 1, "/bin", 1000)


def test_the_options_are_what_is_wanted(host):
    given = {"port": 80, "path_under": None, "revision_path": None, "revision": None, "stable_for": 1, "timeout": 9}
    given.update(more_ports=[81], socket=None)
    wanted = options.read_request(params(**given, save=True), {}, host(None), 1, "/bin", 1000)
    assert (wanted.name, wanted.state, wanted.config, wanted.requirements.ports) == ("shop", "started", None, (80, 81))
    assert (wanted.stable_for, wanted.timeout, wanted.save, wanted.allow_root) == (1, 9, True, False)
