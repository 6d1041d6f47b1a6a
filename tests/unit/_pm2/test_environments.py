# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import environments
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from pm2_fakes import PARTIAL, make, running

APP = {
    "script": "s.js",
    "env": {"NODE_ENV": "development", "A": 1},
    "env_production": {"NODE_ENV": "production", "KEY": "k"},
    "env_staging": {"NODE_ENV": "production", "KEY": "s"},
    "env_FILE": "no block",
}


def test_only_objects_are_blocks_and_not_what_this_collection_keeps():
    assert sorted(environments.blocks_of({**APP, "env_greenlight": {"A": ""}})) == ["production", "staging"]


@pytest.mark.parametrize(
    "app, env_name, deploy, env",
    [
        (APP, "", {"A": 2}, {"NODE_ENV": "development", "A": 1}),
        (APP, "production", None, {"NODE_ENV": "production", "A": 1, "KEY": "k"}),
        (APP, "production", {"A": 2, "KEY": "d"}, {"NODE_ENV": "production", "A": 2, "KEY": "k"}),
        ({"env_x": {"B": 1}}, "x", None, {"B": 1}),
        ({"env": {"B": 1}}, "x", {"B": 2}, {"B": 2}),
        ({"port": 80, "env": {"PORT": 81}}, "x", None, {"PORT": 80}),
        ({"port": 80, "env_x": {"PORT": 82}}, "x", None, {"PORT": 82}),
    ],
)
def test_a_block_counts_more_than_what_is_deployed_and_that_more_than_the_variables(app, env_name, deploy, env):
    merged = environments.merge(app, env_name, deploy)
    assert merged["env"] == env
    assert merged.get("port") == (env["PORT"] if "port" in app else None)


def test_variables_that_are_none_are_left_for_who_refuses_them():
    assert environments.merge({"env": [1]}, "x", None) == {"env": [1]}


@pytest.mark.parametrize(
    "app, env_name, message",
    [
        (APP, "prod", "the app has env_production, env_staging, and no env_prod; correct the name of the block"),
        ({}, "greenlight", "the app has no block of variables, and no env_greenlight; correct the name of the block"),
    ],
)
def test_a_block_that_is_not_there_is_refused(app, env_name, message):
    with pytest.raises(PM2Error, match=message):
        environments.merge(app, env_name, None)


def without_name(app=None, own=(), **options):
    return replace(make(options, described=app or APP), env_name=None, own=frozenset(own))


def started(env_name, app=None, **env):
    """Return what PM2 lists of a process that was started from the file with one of its blocks."""
    app = app or APP
    config = make({}, described=environments.merge(app, env_name, None))
    listed = running(config, **{key: value for key, value in app.items() if key.startswith("env_")})
    listed["pm2_env"]["env"].update(env)
    return listed


@pytest.mark.parametrize("env_name, names", [("production", "KEY, NODE_ENV"), ("staging", "KEY, NODE_ENV")])
def test_who_would_lose_the_values_of_its_block_is_refused(env_name, names):
    message = f"shop runs with env_{env_name} .* its values of {names}; set env_name to {env_name}$"
    with pytest.raises(PM2Error, match=message):
        environments.refuse_unnamed("shop", without_name(), [started(env_name)])


def test_the_blocks_that_pm2_keeps_count_where_the_file_has_changed():
    changed = {**APP, "env_production": {"NODE_ENV": "live", "KEY": "new"}}
    with pytest.raises(PM2Error, match="runs with env_production"):
        environments.refuse_unnamed("shop", without_name(changed), [started("production")])
    gone = {key: value for key, value in APP.items() if not key.startswith("env_")}
    with pytest.raises(PM2Error, match="runs with env_production"):
        environments.refuse_unnamed("shop", without_name(gone), [started("production")])


def test_a_value_that_was_changed_by_hand_does_not_hide_the_block():
    with pytest.raises(PM2Error, match="would lose its values of NODE_ENV; set"):
        environments.refuse_unnamed("shop", without_name(), [started("production", KEY="by hand")])


def test_a_variable_that_is_given_beside_the_file_says_nothing_of_the_block():
    app = {**APP, "env_production": {"NODE_ENV": "production", "PORT": "80"}}
    config = without_name(app, own=["PORT"], env={"PORT": "81"})
    with pytest.raises(PM2Error, match="would lose its values of NODE_ENV; set"):
        environments.refuse_unnamed("shop", config, [started("production", app, PORT="81")])


@pytest.mark.parametrize(
    "config, process",
    [
        (without_name(), started("")),
        (without_name({"script": "s.js"}), started("", {"script": "s.js"})),
        (make({}, described=APP), started("production")),
        (None, started("production")),
        (PARTIAL, started("production")),
        (without_name(), {**started("production"), "name": "other"}),
        (without_name(env={"NODE_ENV": "production", "KEY": "k"}), started("production")),
        (without_name(), {"pm_id": 0, "name": "shop", "pm2_env": {}}),
    ],
    ids=["none", "no blocks", "told", "no file", "a part", "another app", "the same values", "nothing kept"],
)
def test_who_loses_nothing_is_not_refused(config, process):
    environments.refuse_unnamed("shop", config, [process])


def test_variables_from_elsewhere_are_kept_but_for_those_that_are_gone():
    config = replace(make({"env": {"A": "2"}}, described={"script": "s.js"}), gone=frozenset(["GONE"]))
    env = {"A": 1, "GONE": 1, "HAND": 3, "TASK": 4, "PM2_HOME": "/p", "HOME": "/h"}
    kept = environments.keep_others(config, {"env": env, "env_greenlight": {"TASK": "", "GONE": "", "LOST": ""}})
    assert kept.env == kept.app["env"] == {"A": "2", "HAND": "3", "TASK": "4"}
    assert kept.app["env_greenlight"] == {"A": "", "TASK": ""}
    assert environments.keep_others(config, {}).env == config.env
