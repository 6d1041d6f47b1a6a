# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import (
    AppProcess,
    ProcessesError,
    app_of,
    chosen,
    joined,
    of_facts,
    parse,
    tell_joined,
)

API = {"name": "api", "role": "serves", "port": 3000}
BOT = {"name": "bot", "role": "works"}
JOB = {"name": "job", "role": "runs"}


@pytest.mark.parametrize(
    "item, read",
    [
        (API, AppProcess("api", "serves", (3000,))),
        ({**API, "port": "3000"}, AppProcess("api", "serves", (3000,))),
        ({"name": "api", "role": "serves"}, AppProcess("api", "serves")),
        ({"name": "api", "role": "serves", "port": None}, AppProcess("api", "serves")),
        ({"name": "api", "role": "serves", "ports": [80, "443", 80]}, AppProcess("api", "serves", (80, 443))),
        ({"name": "api", "role": "serves", "socket": "/run/a"}, AppProcess("api", "serves", (), "/run/a")),
        (BOT, AppProcess("bot", "works")),
    ],
)
def test_an_item_says_what_a_process_does(item, read):
    assert parse([item]) == (read,)
    assert parse([read.as_fact()]) == (read,)


@pytest.mark.parametrize(
    "listed, message",
    [
        ("api", "must be a list of mappings, not 'api'"),
        (["api"], "item 1 must be a mapping with name and role, not 'api'"),
        ([{**API, "host": 1}], "item 1: host is no key of a process; use name, role, port, ports, socket"),
        ([{"role": "works"}], "item 1: name must be that of one process of PM2, not None"),
        ([{**BOT, "name": " "}], "item 1: name must be"),
        ([{**BOT, "name": 7}], "item 1: name must be"),
        ([{**BOT, "name": "all"}], "item 1: name must be"),
        ([{**BOT, "name": "12"}], "item 1: name must be"),
        ([{"name": "api"}], "item 1: role must be serves, works or runs, not None"),
        ([{"name": "api", "role": "server"}], "item 1: role must be serves, works or runs, not 'server'"),
        ([API, {**BOT, "port": 1}], "item 2: port is for a process that serves, and bot works; leave it out"),
        ([{**API, "ports": [1]}], "item 1: give port or ports to api, not both"),
        ([{**API, "port": 0}], "item 1: port must be a number from 1 to 65535, not 0"),
        ([{**API, "port": True}], "item 1: port must be a number from 1 to 65535, not True"),
        ([{**API, "port": "http"}], "item 1: port must be a number from 1 to 65535, not 'http'"),
        ([{"name": "api", "role": "serves", "ports": []}], "item 1: ports must be a list of at least one port"),
        ([{"name": "api", "role": "serves", "ports": 80}], "item 1: ports must be a list of at least one port, not 80"),
        ([{"name": "api", "role": "serves", "ports": [80, 70000]}], "item 1: ports must be a number .* not 70000"),
        ([{"name": "api", "role": "serves", "socket": "run/a"}], "item 1: socket must be the absolute path"),
        ([{"name": "api", "role": "serves", "socket": 3}], "item 1: socket must be the absolute path"),
        ([BOT, API, BOT], "item 3: bot is named twice; name each process once"),
        ([JOB], "No process of the list serves or works"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused(listed, message):
    with pytest.raises(ProcessesError, match=message):
        parse(listed)


@pytest.mark.parametrize("name", ["12", "all", "/api/"])
def test_a_record_has_the_names_that_pm2_gave_whatever_they_mean_to_its_command_line(name):
    listed = [{"name": name, "role": "runs"}]
    assert of_facts(listed) == (AppProcess(name, "runs"),)
    with pytest.raises(ProcessesError, match="item 1: name must be"):
        parse([*listed, API])
    with pytest.raises(ProcessesError, match="item 1: role must be"):
        of_facts([{"name": name}])


@pytest.mark.parametrize("listed, app", [([BOT, API, JOB], "api"), ([JOB, BOT], "bot")])
def test_the_first_that_serves_is_measured_or_the_first_that_works(listed, app):
    assert app_of(parse(listed)).name == app
    assert chosen(listed, "", 0) == chosen(listed, app, "0") == parse(listed)


@pytest.mark.parametrize("port, ports", [(0, ()), ("0", ()), (3000, (3000,)), ("3000", (3000,))])
def test_without_a_list_it_is_one_process_that_serves(port, ports):
    assert chosen([], "shop", port) == (AppProcess("shop", "serves", ports),)


@pytest.mark.parametrize(
    "name, port, message",
    [
        ("bot", 0, "greenlight_process_name is bot, but api is the first process of greenlight_processes that serves"),
        ("api", 3000, "greenlight_port is 3000 beside greenlight_processes; write the port to api in that list"),
        ("api", "x", "greenlight_port must be a number from 1 to 65535, not 'x'"),
    ],
)
def test_what_a_list_says_must_not_be_said_otherwise_besides(name, port, message):
    with pytest.raises(ProcessesError, match=message):
        chosen([BOT, API], name, port)


@pytest.mark.parametrize(
    "process, port",
    [
        (AppProcess("a"), None),
        (AppProcess("a", "serves", (1, 2)), 1),
        (AppProcess("a", "serves", (), "/s"), 0),
        (AppProcess("a", "works"), 0),
        (AppProcess("a", "runs"), 0),
    ],
)
def test_the_port_of_a_process_is_what_a_module_takes(process, port):
    assert process.port == port


def test_what_has_the_database_open_and_is_not_listed_belongs_to_the_release_and_is_told():
    holders = [
        {"process": "api", "role": "serves"},
        {"process": "queue", "role": "works"},
        {"process": "queue", "role": "works"},
        {"process": "", "role": ""},
    ]
    (queue,) = joined(parse([API, BOT]), holders)
    assert queue == AppProcess("queue", "works")
    assert "queue has the database open; it is stopped and started with the release" in tell_joined(queue)
