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

PLACE = {
    "path": "/srv/cctv",
    "subfolder": "backend",
    "repository": "git@h:cctv.git",
    "branch": "main",
    "deploy_key": "/k/id",
}
CCTV = Found(
    name="cctv-backend",
    checkout=PLACE,
    ports=[3000, 3001],
    databases=["/srv/cctv/backend/data/cctv.db", "/srv/cctv/backend/data/log.db"],
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
    assert "It also has /srv/cctv/backend/data/log.db open." in text and "It also serves 3001." in text
    assert "ecosystem.config.js describes it" in text
    assert "Its logs have lines as of winston and morgan." in text
    assert variables.missing(CCTV) == []


def unseen(**more):
    return Found(name="cctv-backend", checkout={**PLACE, "subfolder": "", "deploy_key": "", "repository": "x"}, **more)


def test_what_was_not_seen_is_named():
    text = variables.render(unseen())
    assert variables.missing(unseen()) == ["greenlight_database_path", "greenlight_health_url"]
    assert ("# greenlight_database_path: \n" in text, "describes it" in text) == (True, False)
    assert sorted(yaml.safe_load(text)) == [
        "greenlight_app_name",
        "greenlight_app_path",
        "greenlight_process_name",
        "greenlight_repository",
        "greenlight_revision",
    ]


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
