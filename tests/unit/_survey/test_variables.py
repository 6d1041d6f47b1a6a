# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._survey import variables
from ansible_collections.greenlight.release.plugins.module_utils._survey.health import Health
from ansible_collections.greenlight.release.plugins.module_utils._survey.variables import Found
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess

PLACE = {
    "path": "/srv/cctv",
    "subfolder": "backend",
    "repository": "git@h:cctv.git",
    "branch": "main",
    "deploy_key": "/k/id",
}
CCTV = Found(
    processes=[AppProcess("cctv-backend", "serves", (3000, 3001))],
    checkout=PLACE,
    databases=(["/srv/cctv/backend/data/cctv.db"], ""),
    health=Health("http://127.0.0.1:3000/health"),
    stats=("http://127.0.0.1:3000/stats", "data.hitRate"),
    build=(["npm", "run", "build"], ["backend/dist"], True),
    ecosystem="ecosystem.config.js",
    logs=[{"path": "/srv/cctv/logs/app.log", "stream": "both"}],
    styles=["winston", "morgan"],
    given={"greenlight_pm2_home": "/home/me/.pm2"},
)


def test_what_was_seen_becomes_variables_with_comments():
    text = variables.render(CCTV)
    assert yaml.safe_load(text) == {
        "greenlight_app_name": "cctv-backend",
        "greenlight_process_name": "cctv-backend",
        "greenlight_app_path": "/srv/cctv",
        "greenlight_app_subfolder": "backend",
        "greenlight_repository": "git@h:cctv.git",
        "greenlight_deploy_key": "/k/id",
        "greenlight_revision": "main",
        "greenlight_build_command": ["npm", "run", "build"],
        "greenlight_built_paths": ["node_modules", "backend/dist"],
        "greenlight_database_path": "/srv/cctv/backend/data/cctv.db",
        "greenlight_port": 3000,
        "greenlight_health_url": "http://127.0.0.1:3000/health",
        "greenlight_cache_stats_url": "http://127.0.0.1:3000/stats",
        "greenlight_cache_hit_rate_path": "data.hitRate",
        "greenlight_log_files": [{"path": "/srv/cctv/logs/app.log", "stream": "both"}],
        "greenlight_pm2_home": "/home/me/.pm2",
    }
    assert "Processes of the app have it open." in text and "It also serves 3001." in text
    assert "ecosystem.config.js describes it" in text
    assert "Its logs have lines as of winston and morgan." in text
    assert variables.missing(CCTV) == []


def unseen(app=CCTV.processes[0]):
    place = {**PLACE, "subfolder": "", "deploy_key": "", "repository": ""}
    return Found(processes=[app], checkout=place)


def test_what_was_not_seen_is_named():
    text = variables.render(unseen())
    assert variables.missing(unseen()) == ["greenlight_repository", "greenlight_health_url"]
    assert ("# greenlight_health_url: \n" in text, "describes it" in text) == (True, False)
    assert "No SQLite database was seen, so that nothing is backed up" in text
    assert sorted(yaml.safe_load(text)) == [
        *("greenlight_app_name", "greenlight_app_path", "greenlight_port", "greenlight_process_name"),
        "greenlight_revision",
    ]


def test_all_processes_are_listed_where_there_are_several():
    api, worker = CCTV.processes[0], AppProcess("cctv-worker", "works")
    written = yaml.safe_load(variables.render(replace(CCTV, processes=[api, worker])))
    assert written["greenlight_processes"] == [
        {"name": "cctv-backend", "role": "serves", "ports": [3000, 3001]},
        {"name": "cctv-worker", "role": "works"},
    ]
    assert {"greenlight_process_name", "greenlight_port"}.isdisjoint(written)


@pytest.mark.parametrize(
    "app, fact",
    [
        (AppProcess("bot", "works"), {"name": "bot", "role": "works"}),
        (AppProcess("web", "serves", (), "/run/s"), {"name": "web", "role": "serves", "socket": "/run/s"}),
    ],
)
def test_a_process_without_a_port_is_listed_with_what_it_does_and_need_not_be_asked(app, fact):
    found = unseen(app)
    assert yaml.safe_load(variables.render(found))["greenlight_processes"] == [fact]
    assert variables.missing(found) == ["greenlight_repository"]


def test_several_databases_are_listed_and_copies_are_not_taken_for_some():
    paths = ["/srv/a.db", "/srv/b.db"]
    text = variables.render(replace(CCTV, databases=(paths, "")))
    assert (yaml.safe_load(text)["greenlight_databases"], "have them open" in text) == (paths, True)
    found = replace(CCTV, databases=(paths, variables.IN_CHECKOUT))
    assert variables.missing(found) == ["greenlight_database_path"]
    assert "No process has /srv/a.db or /srv/b.db open now." in variables.render(found)
    alone = variables.render(replace(CCTV, databases=(paths[:1], variables.IN_CHECKOUT)))
    assert "No process has it open now, but it lies in the checkout." in alone
    assert yaml.safe_load(alone)["greenlight_database_path"] == "/srv/a.db"


@pytest.mark.parametrize("is_run, lacks", [(True, ["greenlight_build_command"]), (False, [])])
def test_a_command_that_builds_what_runs_has_to_be_known(is_run, lacks):
    found = replace(CCTV, build=([], ["dist"], is_run))
    assert (variables.missing(found), "greenlight_built_paths" in variables.render(found)) == (lacks, False)


def test_a_secret_is_not_written():
    place = {**PLACE, "repository": "https://me:hunter2@h/cctv.git"}
    text = variables.render(replace(CCTV, checkout=place))
    assert ("hunter2" in text, "keep it in a vault" in text) == (False, True)
    said = replace(CCTV, given={"greenlight_repository": "https://***@h/cctv.git"})
    assert (variables.missing(said), "***" in variables.render(said)) == ([], False)
    locked = replace(CCTV, health=Health("http://h/health", is_locked=True))
    assert variables.missing(locked) == ["greenlight_health_headers"]
    text = variables.render(replace(CCTV, given={"greenlight_health_headers": {"Authorization": "hunter2"}}))
    assert ("hunter2" in text, "It was given, and is not written down." in text) == (False, True)


def test_what_a_person_said_goes_before_what_was_seen():
    text = variables.render(replace(CCTV, given={"greenlight_revision": "live", "greenlight_repository": ""}))
    assert yaml.safe_load(text)["greenlight_revision"] == "live"
    assert yaml.safe_load(text)["greenlight_repository"] == "git@h:cctv.git"
