# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._nested.check import find_nested_problems

ROLES = Path(__file__).resolve().parent.parent.parent.parent / "roles"
DEFAULTS = {
    name: value
    for role in ("verify", "deploy", "rollback")
    for name, value in yaml.safe_load((ROLES / role / "defaults" / "main.yml").read_text()).items()
}
GIVEN = {
    **DEFAULTS,
    "greenlight_health_url": "http://127.0.0.1:3000/health",
    "greenlight_response_time_url": "http://127.0.0.1:3000/",
    "greenlight_restore_within": "10m",
}


def test_the_defaults_are_right_inside():
    assert find_nested_problems(GIVEN) == []
    assert find_nested_problems({}) == []


@pytest.mark.parametrize(
    "option, value, sentence",
    [
        ("batches", ["one"], "greenlight_batches cannot have 'one'"),
        ("soak", "soon", "greenlight_soak: "),
        ("restore_within", "soon", "greenlight_restore_within: "),
        ("allowed_hours", "2-4", "greenlight_allowed_hours has '2-4'"),
        ("freeze", [{"form": "2026-12-24"}], "greenlight_freeze[0] "),
        ("log_files", [{"path": "app.log"}], "greenlight_log_files: files needs mappings of an absolute path"),
        ("on_change", [{"pats": ["*.sql"]}], "greenlight_on_change"),
        ("notifications", [{"url": "no url"}], "greenlight_notifications"),
        ("processes", [{"name": "api"}], "greenlight_processes: item 1: role must be serves, works or runs, not None"),
        ("port", 70000, "greenlight_port must be a number from 1 to 65535, not 70000"),
        ("probes", [{"url": "http://127.0.0.1/", "expects": []}], "greenlight_probes: Probe 2 has an unknown key"),
        ("health_url", "127.0.0.1:3000", "greenlight_health_url: Probe health needs an http or https URL"),
        ("health_probe", {"sttus": [200]}, "greenlight_health_probe: Probe health has an unknown key 'sttus'"),
        ("health_probe", {"password": "hunter2"}, "greenlight_health_probe: Probe health: password needs user"),
        ("decision_matrix", [{"metrc": "error_rate"}], "greenlight_decision_matrix: "),
        ("decision_matrix_patches", {"eror_rate": {}}, "greenlight_decision_matrix"),
        ("stable_seconds", "soon", "greenlight_stable_seconds must be a number of seconds, not 'soon'"),
        ("critical_errors", ["("], "The rules for the log: forbid rule critical_errors: bad regular expression"),
        ("databases", [{"path": "/srv/shop.db", "keep": 5}], "greenlight_databases[0] has the key 'keep', "),
        ("error_rate", {"count": "x"}, "rate error_rate needs count and of"),
    ],
)  # fmt: skip
def test_what_is_wrong_inside_of_an_option_is_one_sentence(option, value, sentence):
    problems = find_nested_problems({**GIVEN, f"greenlight_{option}": value})
    assert len(problems) == 1
    assert sentence in problems[0]
    assert problems[0].endswith(".")


@pytest.mark.parametrize(
    "name, port, sentences",
    [
        ("", 0, []),
        ("api", 0, []),
        (
            "bot",
            0,
            ["greenlight_process_name is bot, but api is the first process of greenlight_processes that serves"],
        ),
        ("", 3000, ["greenlight_port is 3000 beside greenlight_processes; write the port to api in that list"]),
    ],
)
def test_what_the_list_of_processes_says_is_not_said_otherwise(name, port, sentences):
    listed = [{"name": "bot", "role": "works"}, {"name": "api", "role": "serves"}]
    given = {**GIVEN, "greenlight_processes": listed, "greenlight_process_name": name, "greenlight_port": port}
    problems = find_nested_problems(given)
    assert len(problems) == len(sentences)
    assert all(sentence in problem for sentence, problem in zip(sentences, problems))


def test_what_serves_nothing_needs_no_url():
    listed = [{"name": "bot", "role": "works"}]
    given = {**GIVEN, "greenlight_processes": listed, "greenlight_process_name": "bot", "greenlight_health_url": ""}
    assert find_nested_problems({**given, "greenlight_response_time_url": ""}) == []
