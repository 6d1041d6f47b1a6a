# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._options.check import find_problems
from ansible_collections.greenlight.release.plugins.module_utils._options.spec import (
    ROLES,
    OptionsError,
    read_spec,
    with_defaults,
)

from .documented import CHECKOUT, DEPLOY, DOCUMENTED, problems


@pytest.mark.parametrize(
    "task, value",
    [
        ("rollback", {"greenlight_batches": {}}),
        ("verify", {"greenlight_strategy": "x"}),
        ("status", {"greenlight_port": "x"}),
    ],
)
def test_a_task_is_not_refused_for_an_option_that_it_does_not_use(task, value):
    assert problems(value, task) == []


@pytest.mark.parametrize("task", [task for task in ROLES if task != "status"])
def test_what_a_rollback_needs_is_checked_by_everything_that_may_roll_back(task):
    assert problems({"greenlight_rollback_database": "kept"}, task) == [
        "greenlight_rollback_database must be auto, restore or keep, and not kept."
    ]


def test_the_status_needs_the_name_of_the_app_alone():
    missing = find_problems(read_spec("status", DOCUMENTED), [], {}, {})
    assert missing == ["greenlight_app_name is missing; set it, for example in group_vars."]


def test_a_task_that_does_not_exist_is_refused():
    with pytest.raises(OptionsError, match="no options for 'destroy'; use one of deploy, rollback, verify, status"):
        read_spec("destroy", DOCUMENTED)


def test_an_option_without_a_type_is_a_text_as_ansible_has_it():
    assert read_spec("verify", {"verify": {"greenlight_own": {}}, "rollback": {}}).options[-1].type == "str"


def test_every_variable_that_the_collection_reads_is_known():
    """Public names in tasks and playbooks are options of a role, or in the lists of names next to them."""
    files = [
        *CHECKOUT.glob("roles/*/tasks/*.yml"),
        *CHECKOUT.glob("roles/*/vars/*.yml"),
        *CHECKOUT.glob("playbooks/**/*.yml"),
    ]
    read = {name for path in files for name in re.findall(r"(?<![\w.])greenlight_[a-z0-9_]+", path.read_text())}
    assert {"greenlight_hosts", "greenlight_app_user", "greenlight_hook", "greenlight_port"} <= read
    assert read - DEPLOY.known == set()


def test_an_option_without_a_value_has_its_default_and_no_other_template():
    documented = {
        "deploy": {},
        "rollback": {"greenlight_state_path": {"default": "/var/lib/{{ greenlight_app_name }}"}},
        "verify": {
            "greenlight_health_url": {"required": True},
            "greenlight_response_time_url": {"default": "{{ greenlight_health_url }}"},
            "greenlight_probes": {"type": "list", "default": []},
            "greenlight_port": {"type": "int", "default": 0},
        },
    }
    spec = read_spec("deploy", documented)
    assert with_defaults(spec, {"greenlight_health_url": "http://a/", "greenlight_port": "{{ 1 }}"}) == {
        "greenlight_health_url": "http://a/",
        "greenlight_response_time_url": "http://a/",
        "greenlight_probes": [],
        "greenlight_port": "{{ 1 }}",
    }
    assert with_defaults(spec, {}) == {"greenlight_probes": [], "greenlight_port": 0}
