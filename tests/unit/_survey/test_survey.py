# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._survey import health, survey
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess
from git_commands import git
from git_repositories import Repositories
from pm2_fakes import instance

PARAMS = {
    "name": "",
    "executable": "pm2",
    "given": {},
    "typed": [],
    "health_headers": {},
    "timeout": 9,
}


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Return a function that looks at an app on port 3000, with options of the module and answers by URL."""
    repositories = Repositories(tmp_path)
    shop = instance(pid=os.getpid(), script=str(repositories.path / "server.js"), cwd=str(repositories.path))
    monkeypatch.setattr(survey, "_USUAL", tmp_path / "state")
    monkeypatch.setattr(pm2, "make_host", lambda *_given: "host")
    monkeypatch.setattr(pm2, "read_all", lambda _host: [shop])
    monkeypatch.setattr(pm2, "observe", lambda *_given: (pm2.Readiness(True, "", [shop], [3000]), None))
    monkeypatch.setattr(proc, "listeners", list)
    monkeypatch.setattr(proc, "with_descendants", set)
    monkeypatch.setattr(proc, "environment_of", lambda _pid: {})
    for name in ("written_paths", "open_paths"):
        monkeypatch.setattr(proc, name, lambda _pids: [])
    asked = []

    def answer(url, headers):
        asked.append((url, headers))
        return (200, '{"status": "ok"}') if url.endswith("/health") else (404, "")

    monkeypatch.setattr(health, "ask", answer)

    def survey_it(**params):
        given = {**PARAMS, "pm2_home": str(tmp_path / "pm2"), "state_path": None, **params}
        return survey.survey(given, {**os.environ, "HOME": str(tmp_path)}, Path("/home/me")), asked, repositories

    return survey_it


def test_everything_that_a_host_says_of_an_app_comes_together(look, tmp_path):
    found, asked, repositories = look()
    assert (found.processes, found.databases) == ([AppProcess("shop", "serves", (3000,))], ([], ""))
    assert found.checkout["repository"] == git(repositories.path, "remote", "get-url", "origin")
    assert found.health.url == "http://127.0.0.1:3000/health"
    assert found.given == {"greenlight_pm2_home": str(tmp_path / "pm2")}
    assert ("http://127.0.0.1:3000/cache/stats", {}) in asked


def test_what_a_person_said_is_used_and_kept(look):
    headers = {"Authorization": "Basic x"}
    said = {"greenlight_health_url": "http://localhost:81/health", "greenlight_revision": ""}
    found, asked, _repositories = look(
        given=said, health_headers=headers, executable="/opt/pm2", state_path="/s", pm2_home="/p"
    )
    assert asked[0] == ("http://localhost:81/health", headers)
    assert found.given == {
        "greenlight_health_url": "http://localhost:81/health",
        "greenlight_pm2_home": "/p",
        "greenlight_pm2_executable": "/opt/pm2",
        "greenlight_state_path": "/s",
        "greenlight_health_headers": headers,
    }


def test_what_a_person_typed_is_used_as_well(look):
    typed = [
        {"item": "greenlight_database_path", "user_input": " /srv/shop.db "},
        {"item": "greenlight_build_command", "user_input": "make 'all of it'"},
        {"item": "greenlight_repository", "user_input": "https://me:hunter2@h/shop.git"},
        {"item": "greenlight_health_url", "user_input": ""},
        {"item": "greenlight_revision"},
    ]
    found, asked, _repositories = look(typed=typed, given={"greenlight_database_path": ""})
    assert asked[0][0] == "http://127.0.0.1:3000/health"
    assert {name: found.given[name] for name in found.given if name != "greenlight_pm2_home"} == {
        "greenlight_database_path": "/srv/shop.db",
        "greenlight_build_command": ["make", "all of it"],
        "greenlight_repository": "https://***@h/shop.git",
    }
