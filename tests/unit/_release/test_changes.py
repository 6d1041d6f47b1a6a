# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._release import changes
from ansible_collections.greenlight.release.plugins.module_utils._release.changes import ChangesError

PAGES = {"name": "pages", "paths": ["web/*"], "run": ["npm", "run", "pages"], "restart": []}
STREAM = {"name": "stream", "paths": ["stream/*.yml"], "restart": ["mediamtx"]}
SCHEMA = {"name": "schema", "paths": ["db/[ab].sql"], "migrate": ["node", "migrate.js"]}
SETTINGS = {
    "install_command": ["npm", "ci"],
    "install_when_changed": ["package-lock.json"],
    "build_command": ["npm", "run", "build"],
    "build_when_changed": ["*"],
}


def plan(paths, rules=(), **settings):
    return changes.plan_changes(paths, list(rules), "shop", **settings)


def short(planned):
    return planned["run"], planned["migrate"], planned["restart_app"], planned["restart"]


@pytest.mark.parametrize(
    "paths, rules, settings, expected",
    [
        (["server.js"], [], {}, ([], [], True, [])),
        ([], [PAGES], {}, ([], [], True, [])),
        (["package-lock.json"], [], SETTINGS, ([["npm", "ci"], ["npm", "run", "build"]], [], True, [])),
        (["web/package-lock.json"], [], SETTINGS, ([["npm", "run", "build"]], [], True, [])),
        (["web/deep/page.html"], [PAGES], {}, ([["npm", "run", "pages"]], [], False, [])),
        (["web/a", "server.js"], [PAGES], {}, ([["npm", "run", "pages"]], [], True, [])),
        (["stream/x.yml"], [PAGES, STREAM], {}, ([], [], False, ["mediamtx"])),
        (["stream/x.yml", "web/a"], [PAGES, STREAM], {}, ([["npm", "run", "pages"]], [], False, ["mediamtx"])),
        (["stream/x.yml", "server.js"], [STREAM], {}, ([], [], True, ["mediamtx"])),
        (["stream/X.YML"], [STREAM], {}, ([], [], True, [])),
        (["db/a.sql"], [SCHEMA], {}, ([], [["node", "migrate.js"]], True, [])),
        (["db/c.sql"], [SCHEMA], {}, ([], [], True, [])),
        (["db/a.sql"], [{**SCHEMA, "restart": []}], {}, ([], [["node", "migrate.js"]], True, [])),
        (["web/a"], [PAGES], {"migrate_command": ["m"]}, ([], [["m"]], True, [])),
        (["web/a"], [{**PAGES, "restart": ["shop", "x", "x"]}], {}, ([["npm", "run", "pages"]], [], True, ["x"])),
        (["web/a"], [PAGES, {**PAGES, "name": "again"}], {}, ([["npm", "run", "pages"]], [], False, [])),
    ],
)
def test_changed_paths_ask_for_commands_and_restarts(paths, rules, settings, expected):
    if settings.get("migrate_command"):
        rules = [{key: value for key, value in rule.items() if key != "run"} for rule in rules]
    assert short(plan(paths, rules, **settings)) == expected


@pytest.mark.parametrize(
    "paths, rules, settings, reason",
    [
        ([], [], {}, "it is not known which paths changed"),
        (["a", "b", "c", "d"], [], {}, "no rule says what to restart for a, b, c and others"),
        (["a", "web/x"], [PAGES], {}, "no rule says what to restart for a"),
        (["web/x"], [{**PAGES, "restart": ["shop"]}], {}, "the rule pages names it"),
        (
            ["web/x"],
            [PAGES],
            {"migrate_command": ["m"]},
            "migrate_command runs at every release, and the app is stopped for it; a rule binds it to paths",
        ),
        (["db/a.sql"], [{**SCHEMA, "restart": []}], {}, "a rule migrates, and the app is stopped for that"),
        (["web/x"], [PAGES], {}, "every changed path is covered by a rule that does not restart the app"),
    ],
)
def test_a_restart_has_a_reason(paths, rules, settings, reason):
    assert plan(paths, rules, **settings)["reasons"]["restart_app"] == reason


def test_the_paths_that_asked_are_reported():
    reasons = plan(["web/a", "package-lock.json"], [PAGES, STREAM], **SETTINGS)["reasons"]
    assert (reasons["install"], reasons["build"]) == (["package-lock.json"], ["web/a", "package-lock.json"])
    assert reasons["rules"] == {"pages": ["web/a"]}


@pytest.mark.parametrize(
    "rules, message",
    [
        ("web", "The rules must be a list of mappings, not 'web'"),
        (["web"], "rule 0 must be a mapping with name, paths, run, migrate, restart, not 'web'"),
        ([PAGES, {**STREAM, "restarts": []}], "rule 1: restarts is no key of a rule"),
        ([{**PAGES, "name": " "}], "rule 0: name must be a text, not ' '"),
        ([{**PAGES, "name": 3}], "rule 0: name must be a text, not 3"),
        ([PAGES, STREAM, PAGES], "rule 2: name 'pages' is that of rule 0; give another one"),
        ([{"name": "x", "run": ["x"]}], "rule 0: paths must be a list of texts, not None"),
        ([{**PAGES, "paths": []}], "rule 0: paths must name at least one path or pattern"),
        ([{**PAGES, "paths": "web/*"}], "rule 0: paths must be a list of texts, not 'web/*'"),
        ([{**PAGES, "paths": ["/web"]}], "rule 0: paths must be relative to the repository"),
        ([{**PAGES, "paths": ["../web"]}], "rule 0: paths must be relative to the repository"),
        ([{"name": "x", "paths": ["x"]}], "rule 0: run, migrate or restart must say what"),
        ([{**PAGES, "run": "npm ci"}], "rule 0: run must be a list of texts, not 'npm ci'"),
        ([{**PAGES, "migrate": [1]}], "rule 0: migrate must be a list of texts"),
        ([{**PAGES, "restart": None}], "rule 0: restart must be a list of texts, not None"),
        ([{**PAGES, "restart": ["all"]}], "rule 0: restart must name PM2 processes, and 'all' means others to PM2"),
        ([{**PAGES, "restart": ["0"]}], "'0' means others to PM2"),
    ],
)
def test_a_wrong_rule_is_refused_by_index_and_key(rules, message):
    with pytest.raises(ChangesError) as raised:
        changes.plan_changes(["web/a"], rules, "shop")
    assert message in str(raised.value)


@pytest.mark.parametrize("setting", [*SETTINGS, "migrate_command"])
def test_a_setting_that_is_no_list_of_texts_is_refused_by_name(setting):
    with pytest.raises(ChangesError, match=f"^{setting} must be a list of texts, not 'npm ci'"):
        plan(["a"], **{setting: "npm ci"})


def test_changed_paths_that_are_no_list_are_refused():
    with pytest.raises(ChangesError, match="The changed paths must be a list of texts"):
        plan("web/a")


def test_the_rule_of_the_readme_is_one():
    readme = Path(__file__).resolve().parents[3] / "README.md"
    blocks = re.findall(r"```yaml\n(.*?)```", readme.read_text(encoding="utf-8"), re.DOTALL)
    (rules,) = [yaml.safe_load(block)["greenlight_on_change"] for block in blocks if "greenlight_on_change" in block]
    planned = changes.plan_changes(["worker/main.js"], rules, "shop")
    assert (planned["run"], planned["restart"]) == ([["npm", "run", "build:worker"]], ["shop-worker"])
