# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What follows from answers that the modules gave in real releases of the sample app under PM2.

Each file in `recordings` has the options of the app, the answers as `facts`, what `since` the log is read,
and as `golden` what the templates of the role asked, measured and decided when the judgement was theirs. Some answers
were changed by hand; `about` says what for.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._measure import (
    adjustments,
    answers,
    baseline,
    questions,
    reading,
    settings,
    verdict,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import known_metrics

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.json"))
OLD_ERRORS = (r"\b(ERR_)?MODULE_NOT_FOUND\b", r'"level":\s*(50|60)\b')
NEWER = ("new_errors",)
DEFAULTS = yaml.safe_load((CHECKOUT / "roles/verify/defaults/main.yml").read_text(encoding="utf-8"))


class Recorded:
    """A recording, with its options and answers as the functions take them."""

    def __init__(self, path):
        content = json.loads(path.read_text(encoding="utf-8"))
        self.golden, facts = content["golden"], content["facts"]
        url: dict[str, object] = {"greenlight_response_time_url": content["options"]["greenlight_health_url"]}
        # Nothing was inferred then, whole lines were read, and fewer things were measured.
        url["greenlight_health_expect"] = [{"path": "status", "equals": "ok"}]
        url["greenlight_log_style"] = "custom"
        url["greenlight_critical_errors"] = [*DEFAULTS["greenlight_critical_errors"][:5], *OLD_ERRORS]
        patches = content["options"].get("greenlight_decision_matrix_patches", {})
        url["greenlight_decision_matrix_patches"] = {**dict.fromkeys(NEWER), **patches}
        options = {**DEFAULTS, **content["options"], **url}
        self.settings = settings.parse_settings({name.replace("greenlight_", ""): options[name] for name in options})
        self.answers = answers.parse_answers(self.settings, {**facts, "since": content["since"]})
        self.environ = facts.get("environment", {}).get("content")


def recordings_with(key):
    found = [path for path in RECORDINGS if key in json.loads(path.read_text(encoding="utf-8"))["golden"]]
    return pytest.mark.parametrize("recorded", [*map(Recorded, found)], ids=[path.stem for path in found])


@recordings_with("health_check")
def test_the_app_and_its_log_are_asked_the_same(recorded):
    asked, golden = questions.ask(recorded.settings, recorded.answers), recorded.golden
    assert asked["stable_for"] == golden["pm2_process_info"]["stable_for"]
    assert asked["app"] == {name: golden["health_check"][name] for name in asked["app"]}
    # An argument that is omitted is one without a value.
    log = {**asked["log"], "forbid": [rule for rule in asked["log"]["forbid"] if rule["name"] not in NEWER]}
    assert log.pop("styles") == ["custom"]
    assert log == {name: golden["log_assert"].get(name) for name in log}
    assert questions.own_requests(recorded.settings, recorded.answers.health) == golden["own_requests"]


@recordings_with("matrix")
def test_the_matrix_and_the_known_metrics_are_the_same(recorded):
    asked = questions.ask(recorded.settings, recorded.answers)
    known = [name for name in asked["known_metrics"] if name not in NEWER]
    assert (asked["matrix"], known) == (recorded.golden["matrix"], recorded.golden["known_metrics"])


@recordings_with("measurements")
def test_the_measurements_are_the_same(recorded):
    read = reading.read(recorded.settings, recorded.answers)
    golden = recorded.golden
    assert (read.measurements, read.serves, read.problems) == tuple(
        golden[name] for name in ("measurements", "serves", "problems")
    )


def test_every_metric_of_the_role_was_measured_in_a_release_of_the_sample_app():
    recorded = [Recorded(path) for path in RECORDINGS]
    measured = {name for each in recorded for name in reading.read(each.settings, each.answers).measurements}
    assert [metric for metric in known_metrics() if metric not in {*measured, *NEWER}] == []


@recordings_with("baseline")
def test_the_facts_of_a_baseline_are_the_same(recorded):
    begun = baseline.baseline(recorded.settings, recorded.answers)
    assert begun["facts"].pop("log_styles") == []
    for name in NEWER:
        assert begun["facts"]["known_kinds"].pop(name) == []
    assert (begun["facts"], begun["vacuous"]) == (recorded.golden["baseline"], recorded.golden["baseline"]["vacuous"])
    assert [list(pair) for pair in begun["unwritten"]] == recorded.golden["unwritten"]


@recordings_with("decision")
def test_the_decision_about_a_release_is_the_same(recorded):
    assert verdict.judge_release(recorded.settings, recorded.answers) == recorded.golden["decision"]
    assert reading.own_restarts(recorded.answers) == recorded.golden["own_restarts"]


@recordings_with("planned")
def test_the_adjustments_are_the_same(recorded):
    golden = recorded.golden
    planned = adjustments.plan(recorded.answers, golden["decision"]["findings"], recorded.environ)
    assert planned["adjustable"] == golden["adjustable"]
    assert {name: planned[name] for name in ("adjustments", "notes")} == {
        name: golden["planned"][name] for name in ("adjustments", "notes")
    }
    assert planned["forward"] == golden["adjusted"]
    # The templates were rendered before the reload was noted, of which each process is restarted once.
    restarts = golden["adjusted"]["facts"]["own_restarts"] + len(recorded.answers.process["processes"])
    facts = {**golden["restored"]["facts"], "own_restarts": restarts}
    assert planned["back"] == {**golden["restored"], "facts": facts}
