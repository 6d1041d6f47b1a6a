# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry of metrics, what says the same elsewhere, and the recipe that adds one."""

from __future__ import annotations

import ast
import dataclasses
import re
import textwrap
from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._decision.pool import pool
from ansible_collections.greenlight.release.plugins.module_utils._decision.shown import render_table
from ansible_collections.greenlight.release.plugins.module_utils._decision.vacuous import find_vacuous
from ansible_collections.greenlight.release.plugins.module_utils._values import metric
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import METRICS, Metric

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
CONTRIBUTING = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8")
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
NAMES = [each.name for each in METRICS]
NOTHING_TRIED = {
    "probes": [],
    "unmeasured": [],
    "lines": {},
    "required": [],
    "absent": [],
    "unsearched": [],
    "rates": {},
}


def load(path):
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


def default_rows():
    defaults = load("roles/verify/defaults/main.yml")
    keys = ("greenlight_decision_matrix", "greenlight_first_hour_rows", "greenlight_watch_rows")
    return [row for key in keys for row in defaults[key]]


def test_every_metric_has_a_name_of_its_own():
    assert sorted(NAMES) == sorted(set(NAMES))


def test_a_metric_is_found_by_its_name_and_a_users_own_is_not_known():
    assert [metric.find_metric(name) for name in NAMES] == list(METRICS)
    assert metric.find_metric("queue_length") is None


def test_the_metrics_of_a_users_probes_are_known_and_should_vary_too():
    assert metric.known_metrics(["queue_length"]) == [*NAMES, "queue_length"]
    assert metric.varying_metrics(["queue_length"]) == ["cache_hit_rate", "queue_length"]


def test_only_the_error_rate_gets_more_samples_with_time():
    assert metric.metrics_of_requests() == ["error_rate"]


@pytest.mark.parametrize("known", METRICS, ids=NAMES)
def test_how_a_metric_is_pooled_fits_its_kind(known):
    wanted = {"boolean": "every host", "rate": "requests"}.get(known.kind, "mean")
    assert (known.pooled, bool(known.unit and known.source)) == (wanted, True)


@pytest.mark.parametrize(
    "kind, ends",
    [
        ("boolean", (None, None)),
        ("count", (0, None)),
        ("rate", (0, 100)),
        ("percent", (0, 100)),
        ("duration", (0, None)),
        ("change", (None, None)),
    ],
)
def test_the_kind_of_a_metric_says_what_its_values_can_be(kind, ends):
    assert dataclasses.replace(METRICS[0], kind=kind).range == ends


@pytest.mark.parametrize("known", METRICS, ids=NAMES)
def test_a_target_of_another_kind_is_refused(known):
    target = {"below": 5} if known.kind == "boolean" else {"equals": True}
    with pytest.raises(MatrixError, match=f"{known.name} is (true or false|a number)"):
        decide({}, [{"metric": known.name, "target": target, "action": "monitor"}])


@pytest.mark.parametrize("known", [each for each in METRICS if each.range[0] is not None], ids=lambda each: each.name)
def test_a_target_that_no_value_can_miss_is_refused(known):
    with pytest.raises(MatrixError, match=f"{known.name} is always at least 0"):
        decide({}, [{"metric": known.name, "target": {"at_least": 0}, "action": "monitor"}])


def test_the_rows_of_the_default_matrix_judge_every_metric_and_no_other():
    assert {row["metric"] for row in default_rows()} == set(NAMES)


def test_the_table_of_the_readme_has_the_rows_of_the_default_matrix():
    table = README.split("## The decision matrix")[1].split("\n\n")[1]
    assert re.findall(r"^\| `(\w+)`", table, re.M) == [row["metric"] for row in default_rows()]


def test_the_documentation_of_the_matrix_lists_every_metric():
    options = load("roles/verify/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    sentence = next(text for text in options["greenlight_decision_matrix"]["description"] if "The metrics are" in text)
    assert re.findall(r"V\((\w+)\)", sentence) == NAMES


@pytest.mark.parametrize("known", METRICS, ids=NAMES)
def test_a_source_names_only_variables_and_metrics_that_exist(known):
    defaults = load("roles/verify/defaults/main.yml")
    assert set(re.findall(r"greenlight_\w+", known.source)) <= set(defaults)


def blocks_of_the_recipe():
    """Return the blocks of code in the recipe for a metric, by their language."""
    recipe = CONTRIBUTING.split("### A metric")[1].split("\n### ")[0]
    return dict(re.findall(r"```(\w+)\n(.*?)```", recipe, re.S))


def read_row(text):
    """Return the metric that a row of the registry, as it is written in the recipe, makes."""
    call = ast.parse(textwrap.dedent(text), mode="eval").body
    assert call.func.id == "Metric"
    return Metric(**{keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords})


def test_the_recipe_for_a_metric_makes_one_that_is_known_pooled_judged_and_shown(monkeypatch):
    blocks = blocks_of_the_recipe()
    added = read_row(blocks["python"])
    row = yaml.safe_load(blocks["yaml"])[0]
    with pytest.raises(MatrixError, match=f"nothing measures '{added.name}'"):
        decide({}, [row], known_metrics=metric.known_metrics())

    monkeypatch.setattr(metric, "METRICS", (*METRICS, added))
    pooled = pool([{added.name: {"value": 50, "samples": 10}}, {added.name: {"value": 3000, "samples": 10}}])
    assert pooled[added.name]["value"] == 1525
    decision = decide(pooled, [row], known_metrics=metric.known_metrics())
    finding = decision["findings"][0]
    assert (finding["outcome"], finding["action"], finding["remedy"]) == ("miss", row["action"], row["remedy"])
    shown = next(line for line in render_table(decision) if added.name in line)
    assert "1525" in shown
    tried = {**NOTHING_TRIED, "gauges": metric.varying_metrics(), "readings": {}, "measurements": {added.name: 0}}
    assert find_vacuous(tried) == [f"{added.name}: it is 0, as it would be if nothing were counted"]
    assert f"| `{added.name}` |" in blocks["markdown"]
