# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import build_plan
from ansible_collections.greenlight.release.plugins.module_utils._release.build_plan import Tree

AUTO = {"install_command": ["auto"], "install_when_changed": ["package-lock.json", "yarn.lock"]}
CI = ["npm", "ci", "--omit=dev", "--no-audit", "--no-fund"]
DEV = ["npm", "ci", "--include=dev", "--no-audit", "--no-fund"]
CCTV = {"script": "/srv/app/backend/server.js", "cwd": "/srv/app"}
BACK = Tree("", "backend/package-lock.json")


def plan(paths, tree=BACK, rules=(), built=("node_modules",), **settings):
    return build_plan.plan_changes(paths, list(rules), "shop", tree, built, **{**AUTO, **settings})


@pytest.mark.parametrize(
    "given, tree",
    [
        ({"subfolder": "backend/", "lock_files": ["backend/yarn.lock"]}, Tree("backend", "backend/yarn.lock")),
        (
            {"app_path": "/srv/app", "processes": [CCTV], "lock_files": ["backend/yarn.lock"]},
            Tree("", "backend/yarn.lock"),
        ),
        (
            {"app_path": "/srv/app", "processes": [CCTV], "subfolder": "web", "lock_files": ["backend/yarn.lock"]},
            Tree("web"),
        ),
        ({"lock_files": []}, Tree()),
        ({}, Tree("", "package-lock.json")),
    ],
)
def test_the_tree_is_known_by_what_the_host_says(given, tree):
    assert build_plan.tree_of(given, ["package-lock.json", "items.js"]) == tree


def test_a_lock_file_in_a_subfolder_is_installed_there_and_its_packages_move():
    planned = plan(["backend/package-lock.json"])
    assert planned["build"] == [{"words": CI, "folder": "backend"}]
    assert (planned["built_paths"], planned["built_anew"]) == (
        ["node_modules", "backend/node_modules"],
        ["backend/node_modules"],
    )
    assert (planned["warnings"], planned["reasons"]["install"]) == ([], ["backend/package-lock.json"])


def test_packages_are_carried_over_where_nothing_is_installed():
    planned = plan(["backend/items.js"], build_command=["npm", "run", "build"], build_when_changed=["*"])
    assert planned["build"] == [{"words": ["npm", "run", "build"], "folder": ""}]
    assert (planned["built_paths"], planned["built_anew"]) == (["node_modules", "backend/node_modules"], [])


@pytest.mark.parametrize(
    "more", [{"build_command": ["make"]}, {"rules": [{"name": "w", "paths": ["w"], "run": ["x"]}]}]
)
def test_what_builds_needs_the_packages_of_developers(more):
    assert plan(["backend/package-lock.json"], **more)["build"][0]["words"] == DEV


def test_further_patterns_ask_for_an_install_and_other_lock_files_do_not():
    assert plan(["yarn.lock"])["build"] == []
    assert plan(["vendor/x"], install_when_changed=["yarn.lock", "vendor/*"])["build"] == [
        {"words": CI, "folder": "backend"}
    ]
    assert plan(["package-lock.json"], Tree())["build"] == []


def test_an_own_command_runs_in_the_subfolder_for_what_changed_in_it():
    planned = plan(["backend/yarn.lock"], Tree("backend", "backend/yarn.lock"), install_command=["yarn"])
    assert planned["build"] == [{"words": ["yarn"], "folder": "backend"}]
    assert (planned["built_paths"], planned["built_anew"], planned["warnings"]) == (
        ["node_modules", "backend/node_modules"],
        ["backend/node_modules"],
        [],
    )
    planned = plan(["yarn.lock"], Tree(), install_command=["make", "deps"])
    assert (planned["build"], planned["built_anew"]) == ([{"words": ["make", "deps"], "folder": ""}], [])
    assert plan(["yarn.lock"], Tree(), install_command=["yarn"], built=())["built_anew"] == []


def test_a_changed_lock_file_that_nothing_installs_is_a_warning():
    rule = {"name": "web", "paths": ["web/*"], "run": ["make", "web"]}
    idle = {"name": "ops", "paths": ["ops/*"], "restart": []}
    paths = ["web/yarn.lock", "ops/yarn.lock", "backend/package-lock.json"]
    warnings = plan(paths, rules=[rule, idle])["warnings"]
    assert [text.split(" ")[0] for text in warnings] == ["ops/yarn.lock"]
    warnings = plan(paths, rules=[rule, idle], install_command=[])["warnings"]
    assert [text.split(" ")[0] for text in warnings] == ["ops/yarn.lock", "backend/package-lock.json"]
