# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import yaml
from ansible_collections.greenlight.release.plugins.module_utils._survey import variables
from ansible_collections.greenlight.release.plugins.module_utils._survey.variables import Found

CCTV = Found(
    "cctv-backend",
    {
        "path": "/srv/cctv",
        "subfolder": "backend",
        "repository": "git@h:cctv.git",
        "branch": "main",
        "deploy_key": "/k/id",
    },
    [3000, 3001],
    ["/srv/cctv/backend/data/cctv.db", "/srv/cctv/backend/data/log.db"],
    ("http://127.0.0.1:3000/health", [{"path": "status", "equals": "ok"}]),
    ("http://127.0.0.1:3000/stats", "data.hitRate"),
    {"greenlight_pm2_home": "/home/me/.pm2"},
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
        "greenlight_database_path": "/srv/cctv/backend/data/cctv.db",
        "greenlight_port": 3000,
        "greenlight_health_url": "http://127.0.0.1:3000/health",
        "greenlight_health_expect": [{"path": "status", "equals": "ok"}],
        "greenlight_cache_stats_url": "http://127.0.0.1:3000/stats",
        "greenlight_cache_hit_rate_path": "data.hitRate",
        "greenlight_pm2_home": "/home/me/.pm2",
    }
    assert "It also has /srv/cctv/backend/data/log.db open." in text and "It also serves 3001." in text
    assert variables.missing(CCTV) == []


def test_what_was_not_seen_is_named_and_a_secret_is_not_written():
    place = {**CCTV.checkout, "repository": "https://me:hunter2@h/cctv.git", "subfolder": "", "deploy_key": ""}
    unseen = replace(CCTV, checkout=place, ports=[], databases=[], health=("", []), stats=("", ""), given={})
    text = variables.render(unseen)
    assert variables.missing(unseen) == ["greenlight_repository", "greenlight_database_path", "greenlight_health_url"]
    assert ("hunter2" in text, "# greenlight_database_path: \n" in text, "keep it in a vault" in text) == (
        False,
        True,
        True,
    )
    assert sorted(yaml.safe_load(text)) == [
        "greenlight_app_name",
        "greenlight_app_path",
        "greenlight_health_expect",
        "greenlight_process_name",
        "greenlight_revision",
    ]
