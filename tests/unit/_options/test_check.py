# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._options.check import find_alike, find_problems

from .documented import CHECKOUT, DEPLOY, problems


def test_all_missing_names_are_in_one_sentence():
    assert find_problems(DEPLOY, [], {}, {}) == [
        "greenlight_app_name, greenlight_app_path, greenlight_repository, greenlight_revision "
        "and greenlight_health_url are missing; set them, for example in group_vars."
    ]


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_required_value_is_a_missing_one(value):
    missing = "greenlight_health_url is missing; set it, for example in group_vars."
    assert problems({"greenlight_health_url": value}) == [missing]


def test_a_value_that_cannot_be_read_is_reported_once():
    assert problems({}, unreadable={"greenlight_port": "'shop_port' is undefined"}) == [
        "greenlight_port cannot be read: 'shop_port' is undefined."
    ]
    of_missing = {"greenlight_response_time_url": "'greenlight_health_url' is undefined"}
    assert problems({"greenlight_health_url": ""}, unreadable=of_missing) == [
        "greenlight_health_url is missing; set it, for example in group_vars."
    ]


@pytest.mark.parametrize(
    "name, meant",
    [
        ("strategey", "strategy"),
        ("batchs", "batches"),
        ("healthurl", "health_url"),
        ("health_uri", "health_url"),
        ("url_health", "health_url"),
        ("repositry", "repository"),
        ("rollback_relase", "rollback_release"),
        ("probe", "probes"),
        ("descision_matrix", "decision_matrix"),
        ("host", "hosts"),
        ("statusfile", "status_file"),
        ("decison", "decision"),
    ],
)
def test_a_misspelt_name_is_refused_with_the_one_that_is_meant(name, meant):
    assert problems({f"greenlight_{name}": 1}) == [
        f"greenlight_{name} is not a variable of greenlight.release; did you mean greenlight_{meant}?"
    ]


@pytest.mark.parametrize(
    "name", ["hosts", "hook", "decision", "own", "drained", "balancer_address", "released", "team"]
)
def test_a_name_that_resembles_none_or_is_known_is_allowed(name):
    assert problems({f"greenlight_{name}": "mine"}) == []


def test_the_variables_of_others_and_private_ones_are_not_checked():
    assert problems({"__greenlight_strategey": 1, "strategey": 1, "ansible_host": "shop1"}) == []


def test_no_variable_of_the_examples_and_scenarios_is_taken_for_a_misspelt_one():
    files = [path for folder in ("examples", "molecule") for path in (CHECKOUT / folder).rglob("*.yml")]
    names = {name for path in files for name in re.findall(r"(?<![\w.])greenlight_[a-z0-9_]+", path.read_text())}
    own = names - DEPLOY.known
    assert len(own) > 10
    assert {name: find_alike(name, DEPLOY.known) for name in own if find_alike(name, DEPLOY.known)} == {}


@pytest.mark.parametrize(
    "listed, needed",
    [
        ([], True),
        ([{"name": "api", "role": "serves"}, {"name": "bot", "role": "works"}], True),
        ([{"name": "api", "role": "serves", "socket": "/run/a"}], False),
        ([{"name": "bot", "role": "works"}], False),
        ([{"name": "bot"}], False),
    ],
)
def test_what_listens_on_no_port_need_not_be_asked(listed, needed):
    missing = ["greenlight_health_url is missing; set it, for example in group_vars."]
    assert problems({"greenlight_health_url": "", "greenlight_processes": listed}) == (missing if needed else [])
