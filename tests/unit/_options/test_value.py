# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import date, datetime

import pytest

from .documented import DOCUMENTED, problems


def test_good_values_have_no_problem():
    assert problems({}) == []


def test_the_defaults_of_all_roles_have_no_problem():
    defaults = {
        name: option["default"]
        for options in DOCUMENTED.values()
        for name, option in options.items()
        # Most apps need it.
        if "default" in option and name != "greenlight_health_url"
    }
    assert len(defaults) > 60
    assert problems(defaults) == []


@pytest.mark.parametrize(
    "name, value",
    [
        ("port", "3000"),
        ("port", " 3000"),
        ("port", 3000.0),
        ("revision", 1234567),
        ("soak", 600),
        ("migrate_timeout", "1.5"),
        ("confirm", "yes"),
        ("confirm", 0),
        ("confirm", "False"),
        ("batches", "25%"),
        ("batches", 1),
        ("install_command", ["make", 5]),
        ("install_command", ()),
        ("hosts", ["shop", "!shop3"]),
        ("status_format", "json"),
        ("decision_matrix_patches", {"error_rate": None}),
        # Errors in rows, probes and hooks are reported where they are read.
        ("decision_matrix", [{"metrc": "error_rate"}]),
    ],
)
def test_what_a_command_line_or_an_inventory_says_in_another_form_is_allowed(name, value):
    assert problems({f"greenlight_{name}": value}) == []


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        # One of a few words.
        ("strategy", "rolling", "must be restart or reload, and not rolling"),
        ("strategy", "Restart", "must be restart or reload, and not Restart"),
        ("strategy", "x" * 80, "must be restart or reload, and not " + "x" * 57 + "..."),
        ("strategy", ["restart"], "must be a text, and not a list"),
        ("layout", "release", "must be in_place or releases, and not release"),
        ("backup_verify", "fast", "must be full, quick or none, and not fast"),
        ("backup_verify", False, "must be a text, and not false; write it in quotes"),
        ("rollback_database", "kept", "must be auto, restore or keep, and not kept"),
        ("status_format", "yaml", "must be table or json, and not yaml"),
        # Lists.
        ("built_paths", "node_modules", "must be a list such as [node_modules], and not a text"),
        ("built_paths", {"node_modules": True}, "must be a list, and not a mapping"),
        ("built_paths", 5, "must be a list, and not the number 5"),
        ("built_paths", None, "is null; leave it out to have its default"),
        ("shared_paths", True, "must be a list, and not true"),
        ("install_command", "npm ci", "must be a list such as [npm ci], and not a text"),
        ("build_command", "['npm', 'run', 'build']" + " " * 60, "must be a list, and not a text"),
        ("required_log_lines", "Listening", "must be a list such as [Listening], and not a text"),
        ("critical_errors", "FATAL", "must be a list such as [FATAL], and not a text"),
        ("probes", "http://127.0.0.1", "must be a list, and not a text"),
        ("probes", {"name": "shop"}, "must be a list, and not a mapping"),
        ("decision_matrix", {"metric": "error_rate"}, "must be a list, and not a mapping"),
        ("notifications", "https://hooks.example.com/secret", "must be a list, and not a text"),
        ("batches", {"first": 1}, "must be a list, and not a mapping"),
        ("batches", True, "must be a list, and not true"),
        # Mappings.
        ("health_headers", "Authorization: secret", "must be a mapping, and not a text"),
        ("health_headers", ["Authorization"], "must be a mapping, and not a list"),
        ("hooks", ["drain.yml"], "must be a mapping, and not a list"),
        ("hooks", None, "is null; leave it out to have its default"),
        ("error_rate", 5, "must be a mapping, and not the number 5"),
        ("backup_keep", 5, "must be a mapping, and not the number 5"),
        ("decision_matrix_patches", [], "must be a mapping, and not a list"),
        # Numbers.
        ("port", "http", "must be a whole number, and not the text 'http'"),
        ("port", "", "must be a whole number, and not the text ''"),
        ("port", 3000.5, "must be a whole number, and not the number 3000.5"),
        ("port", True, "must be a whole number, and not true"),
        ("port", [3000], "must be a whole number, and not a list"),
        ("port", float("inf"), "must be a whole number, and not the number inf"),
        ("watch_seconds", "24h", "must be a whole number, and not the text '24h'"),
        ("lease_seconds", "1800.0", "must be a whole number, and not the text '1800.0'"),
        ("releases_keep", {}, "must be a whole number, and not a mapping"),
        ("response_time_samples", "many", "must be a whole number, and not the text 'many'"),
        ("migrate_timeout", "10m", "must be a number, and not the text '10m'"),
        ("migrate_timeout", "nan", "must be a number, and not the text 'nan'"),
        ("migrate_timeout", False, "must be a number, and not false"),
        # True or false.
        ("confirm", "sure", "must be true or false, and not the text 'sure'"),
        ("strict", 2, "must be true or false, and not the number 2"),
        ("watch", "", "must be true or false, and not the text ''"),
        ("auto_adjust", [True], "must be true or false, and not a list"),
        ("fleet_rollback", None, "is null; leave it out to have its default"),
        # Texts, which YAML may have read as something else.
        ("app_name", True, "must be a text, and not true; write it in quotes"),
        ("app_name", ["shop"], "must be a text, and not a list"),
        ("app_path", ["/srv/shop"], "must be a path, and not a list"),
        ("health_url", {"url": "http://127.0.0.1"}, "must be a text, and not a mapping"),
        ("time_zone", {1, 2}, "must be a text, and not a set"),
        ("now", datetime(2026, 2, 19, 2), "must be a text, and not a date; write it in quotes"),
        ("pm2_home", None, "is null; leave it out to have its default"),
        ("app_user", ["shop"], "must be a text, and not a list"),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence_with_the_users_name(name, value, sentence):
    assert problems({f"greenlight_{name}": value}) == [f"greenlight_{name} {sentence}."]


@pytest.mark.parametrize(
    "name, value, sentence",
    [
        (
            "freeze",
            ["2026-12-20", {}],
            "item 1 of greenlight_freeze must be a mapping, and not a text",
        ),
        ("freeze", [{}, date(2026, 12, 20)], "item 2 of greenlight_freeze must be a mapping, and not a date"),
        ("install_command", ["npm", ["ci"]], "item 2 of greenlight_install_command must be a text, and not a list"),
        (
            "install_command",
            ["echo", True],
            "item 2 of greenlight_install_command must be a text, and not true; write it in quotes",
        ),
        ("built_paths", [None], "item 1 of greenlight_built_paths must be a text, and not null"),
        ("batches", [1, None], "item 2 of greenlight_batches must be a value, and not null"),
        ("watch_rows", [[]], "item 1 of greenlight_watch_rows must be a mapping, and not a list"),
    ],
)
def test_a_wrong_item_of_a_list_is_named_by_its_number(name, value, sentence):
    assert problems({f"greenlight_{name}": value}) == [sentence + "."]
