# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of settings against the schema of the installed PM2: a setting that PM2 adds must be put into the table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2.settings import SETTINGS, UNKNOWN, canonical

TABLE = {setting.name: setting for setting in SETTINGS}


@pytest.fixture(scope="module")
def schema():
    """Return what PM2 knows of each setting, but for the environments of ecosystem files, env_production and others."""
    package = next(folder for folder in Path(shutil.which("pm2")).resolve().parents if folder.name == "pm2")
    known = json.loads((package / "lib" / "API" / "schema.json").read_text())
    return {name: entry for name, entry in known.items() if not name.startswith("^env_")}


def test_every_setting_of_pm2_is_in_the_table_and_no_other(schema):
    assert sorted(TABLE) == sorted(schema)


def test_every_other_word_for_a_setting_is_known(schema):
    for name, entry in schema.items():
        for alias in [entry["alias"]] if isinstance(entry.get("alias"), str) else entry.get("alias", []):
            assert canonical({alias: 1}) == {name: 1}


def test_the_defaults_are_those_of_pm2(schema):
    given = {name: entry["default"] for name, entry in schema.items() if "default" in entry}
    compared = {name for name in given if TABLE[name].default is not UNKNOWN}
    assert {name: TABLE[name].default for name in compared} == {name: given[name] for name in compared}
    assert compared >= {"autorestart", "autostart", "kill_retry_time", "pmx", "treekill", "vizion"}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_setting_is_compared_or_there_is_a_reason_why_not(name):
    assert (TABLE[name].applies == "ignored") == bool(TABLE[name].reason)
