# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Bounds
from ansible_collections.greenlight.release.plugins.module_utils._switch import inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import SwitchError
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import SwitchPlan
from switch_fakes import ID, NEW, NOW, OLD, make_inputs, open_release, params, system

FOLDER = Path("/srv/shop")


def record(**facts):
    return {"id": ID, "from_revision": OLD, "to_revision": NEW, "facts": {"app_path": "/srv/shop", **facts}}


def test_the_move_is_read_from_the_record():
    plain = inputs.move_of(record())
    assert plain == layout.Move("in_place", FOLDER, ID, OLD, NEW)
    assert layout.root_of(plain) == FOLDER
    given = {"layout": "releases", "built_paths": ["dist"], "shared_paths": ["data"]}
    rich = inputs.move_of(record(**given))
    assert rich == layout.Move("releases", FOLDER, ID, OLD, NEW, ("dist",), ("data",))
    assert layout.root_of(rich) == FOLDER / "current"


def test_the_inputs_of_a_switch_are_read_from_options_and_record(tmp_path):
    open_release(tmp_path, FOLDER)
    read = make_inputs(tmp_path, port=3000, restart=["worker"], migrate=[["true"]])
    assert read.plan == SwitchPlan("forward", "whole", "restart", OLD, NEW)
    assert (read.change.run_id, read.change.by, read.change.lease) == ("run-1", "alice", 60)
    assert (read.processes.app, read.processes.state, read.processes.others) == ("shop", "started", ("worker",))
    assert (read.processes.requirements.port, read.processes.requirements.path_under) == (3000, "/srv/shop")
    assert (read.databases[0].path, read.databases[0].backup, read.databases[0].token) == (
        "/srv/shop/shop.db",
        "/b/shop.pages",
        "abc123",
    )
    assert (read.migrate, read.log_files, read.is_rehearsal) == ([["true"]], [], False)


def test_the_rollback_of_a_switch_forward_reads_the_same_options(tmp_path):
    open_release(tmp_path, FOLDER, "switched")
    given = params(tmp_path, phase="from_migrate", restart_app=False, roll_back=True, database="keep")
    back = inputs.read_back(given, {}, set(), system())
    assert back.plan == SwitchPlan("back", "whole", "restart", OLD, NEW)
    assert (back.databases[0].restore, back.is_rehearsal) == ("keep", False)


LISTED = [
    {"name": "queue", "role": "works"},
    {"name": "shop", "role": "serves", "ports": [3000, 3001]},
    {"name": "web", "role": "serves", "socket": "/run/web"},
]


def test_a_rollback_is_refused_by_no_name_that_pm2_gave_a_process(tmp_path):
    joined = [{"name": "shop", "role": "serves"}, {"name": "3000", "role": "works"}]
    open_release(tmp_path, FOLDER, "rolling_back", processes=joined)
    assert make_inputs(tmp_path, direction="back").processes.others == ("3000",)


@pytest.mark.parametrize(
    "given, others",
    [
        ({}, ("queue", "web", "worker")),
        ({"restart_app": False}, ("worker",)),
        ({"direction": "back"}, ("queue", "web", "worker")),
    ],
)
def test_the_processes_of_the_release_come_with_the_app(tmp_path, given, others):
    open_release(tmp_path, FOLDER, processes=LISTED)
    read = make_inputs(tmp_path, restart=["worker"], **given).processes
    assert (read.others, read.named("web").socket, read.named("worker")) == (others, "/run/web", None)
    wanted = read.requirements
    assert (wanted.port, wanted.more_ports, wanted.path_under) == (3000, (3001,), "/srv/shop")
    assert read.leading == (["queue"] if "queue" in others else [])


def test_a_port_of_the_module_counts_more_than_the_record(tmp_path):
    open_release(tmp_path, FOLDER, processes=LISTED)
    assert make_inputs(tmp_path, port=80).processes.requirements.ports == (80,)


def test_an_app_that_is_not_among_the_processes_of_its_record_listens_anywhere(tmp_path):
    open_release(tmp_path, FOLDER, processes=LISTED[:1])
    read = make_inputs(tmp_path).processes
    assert (read.requirements.port, read.leading) == (None, [])


def test_processes_of_a_record_that_cannot_be_meant_are_refused(tmp_path):
    open_release(tmp_path, FOLDER, processes=[{"name": "shop"}])
    with pytest.raises(SwitchError, match="The processes in the release record are wrong: item 1: role must be"):
        make_inputs(tmp_path)


@pytest.mark.parametrize("given, bounds", [({}, (5, 5)), ({"start_timeout": 90, "stop_timeout": 30}, (90, 30))])
def test_a_start_and_a_stop_have_bounds_of_their_own(tmp_path, given, bounds):
    open_release(tmp_path, FOLDER)
    read = make_inputs(tmp_path, **given).processes
    assert (read.start_timeout, read.stop_timeout) == bounds


@pytest.mark.parametrize(
    "given, state",
    [
        ({}, "started"),
        ({"strategy": "reload"}, "reloaded"),
        ({"strategy": "reload", "direction": "back"}, "started"),
    ],
)
def test_only_a_switch_forward_reloads(tmp_path, given, state):
    open_release(tmp_path, FOLDER)
    assert make_inputs(tmp_path, **given).processes.state == state


@pytest.mark.parametrize("facts, backup", [({}, ""), ({"backup": "/b/noted.pages"}, "/b/noted.pages")])
def test_a_rollback_restores_the_backup_of_the_record(tmp_path, facts, backup):
    open_release(tmp_path, FOLDER, databases=[{"path": "/srv/shop.db", **facts}])
    assert make_inputs(tmp_path, direction="back").databases[0].backup == backup


@pytest.mark.parametrize(
    "asked, restored, policy",
    [
        ("restore", None, "restore"),
        ("restore", False, "restore"),
        ("restore", True, "auto"),
        ("auto", True, "auto"),
        ("keep", True, "keep"),
    ],
)
def test_a_rollback_that_is_finished_restores_only_once(tmp_path, asked, restored, policy):
    known = {"path": "/srv/shop.db", **({} if restored is None else {"restored": {"restored": restored}})}
    open_release(tmp_path, FOLDER, databases=[known])
    assert make_inputs(tmp_path, direction="back", database=asked).databases[0].restore == policy


@pytest.mark.parametrize(
    "facts, stage, age",
    [
        ({}, "backed_up", None),
        ({}, "switched", 3600),
        ({"migrated_at": "2026-02-19T02:59:00Z"}, "switched", 60),
    ],
)
def test_how_long_users_can_have_written_is_known_from_the_record(tmp_path, monkeypatch, facts, stage, age):
    open_release(tmp_path, FOLDER, stage, databases=[{"path": "/srv/shop.db", "schema": ["5" * 64, 1]}], **facts)
    later = replace(system(), now=lambda: NOW + timedelta(hours=1))
    given = params(tmp_path, direction="back", restore_within="1h30m", restore_loses_at_most=3)
    read = inputs.read(given, {}, set(), later, False)
    assert (read.databases[0].bounds, read.databases[0].schema) == (Bounds(5400, 3, age), ("5" * 64, 1))


@pytest.mark.parametrize(
    "given, message",
    [
        ({"restore_within": "soon"}, "restore_within: 'soon' is no duration"),
        ({"restore_loses_at_most": -1}, "restore_loses_at_most must be 0 or more, not -1"),
    ],
)
def test_a_wrong_bound_is_refused(tmp_path, given, message):
    open_release(tmp_path, FOLDER)
    with pytest.raises(SwitchError, match=message):
        make_inputs(tmp_path, **given)


def test_check_mode_takes_a_record_that_is_not_on_the_host(tmp_path):
    planned = {**open_release(tmp_path, FOLDER), "id": "20260220T020000Z-bbbbbbbb"}
    assert make_inputs(tmp_path, is_rehearsal=True, record=planned).is_planned
    read = make_inputs(tmp_path, record=planned)
    assert (read.record["id"], read.is_planned) == (ID, False)


def test_a_release_that_is_not_on_record_is_refused(tmp_path):
    open_release(tmp_path, FOLDER)
    with pytest.raises(RecordError, match="is on record; deploy one first"):
        inputs.read(params(tmp_path, release_id="20260220T020000Z-bbbbbbbb"), {}, set(), system(), False)


def test_variables_are_a_configuration_of_the_app_and_its_pm2_is_that_of_the_user(tmp_path):
    noted = open_release(tmp_path, FOLDER)
    noted["facts"]["pm2_home"] = ""
    given = params(tmp_path, record=noted)
    read = inputs.read(given, {"TTL": "30"}, set(), system(PM2_HOME="/home/shop/.pm2"), True)
    assert (read.processes.config.env, read.processes.host.home) == ({"TTL": "30"}, Path("/home/shop/.pm2"))


@pytest.mark.parametrize(
    "given, described",
    [
        ({}, None),
        ({"ecosystem": "eco.config.js"}, inputs.Described("eco.config.js", None)),
        (
            {"ecosystem": "./eco.config.js", "ecosystem_env": "live", "subfolder": "backend/"},
            inputs.Described("backend/eco.config.js", "live"),
        ),
        ({"direction": "back", "ecosystem": "other.js"}, inputs.Described("eco.json", "live")),
    ],
)
def test_a_rollback_applies_the_ecosystem_file_of_its_release(tmp_path, given, described):
    facts = {"ecosystem": {"path": "eco.json", "env_name": "live"}} if "direction" in given else {}
    open_release(tmp_path, tmp_path, **facts)
    assert make_inputs(tmp_path, **given).ecosystem == described


@pytest.mark.parametrize("path", ["/etc/eco.js", "../eco.js"])
def test_an_ecosystem_file_outside_of_the_repository_is_refused(tmp_path, path):
    open_release(tmp_path, tmp_path)
    with pytest.raises(SwitchError, match="must lie in the repository"):
        make_inputs(tmp_path, ecosystem=path)


def test_check_mode_has_git_for_the_revision_that_is_not_on_the_host(tmp_path):
    open_release(tmp_path, tmp_path)
    read = make_inputs(
        tmp_path, repository="https://me:word@git.example.com/shop.git", environment={"PATH": os.defpath}
    )
    assert (tmp_path / "there").mkdir() is None
    run = read.git_in(tmp_path / "there")
    assert run(["init", "--quiet"]).code == 0
    assert (read.repository, (tmp_path / "there" / ".git").is_dir()) == (read.repository, True)
