# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured is what the registry lists: asked with the real questions, and answered by an app that is well."""

from __future__ import annotations

import contextlib
import json

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import parse, wait
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer
from ansible_collections.greenlight.release.plugins.module_utils._logs import check, rules, scan
from ansible_collections.greenlight.release.plugins.module_utils._measure.questions import ask
from ansible_collections.greenlight.release.plugins.module_utils._measure.reading import read
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import METRICS

from _measure.conftest import URL, well

MARKED_AT, NOW = 1771466400.0, 1771470000.0
LINES = '{"method":"GET","url":"/","statusCode":200}\n' * 200
BODY = json.dumps({"status": "ok", "data": {"hitRate": 55.5, "waiting": 3}})
QUEUE = {"name": "queue", "url": URL, "measurements": {"queue_length": {"path": "data.waiting"}}}
# PM2's counter, from which the next observation works out the restarts; no row can judge it.
KEPT_FOR_THE_NEXT = {"restart_count"}


def answer_probes(asked):
    """Return what health_check does, of an app that gives the same good answer to every request."""
    world = wait.World(
        lambda: contextlib.nullcontext(lambda _probe: Answer(200, 2.0, {}, BODY)),
        lambda _connection, _pids: "",
        lambda jobs, _seconds: [job() for job in jobs],
    )
    patience = wait.Patience(10, 1, 0.1, lambda: 0.0, lambda _seconds: None)
    return wait.check_all(parse.parse_probes(asked["probes"], 5), world, patience)


def answer_log(asked, path):
    """Return what log_assert does, of a log with many requests and nothing bad."""
    path.write_text(LINES)
    looked_for = scan.Scan(rules.read_rules(asked), {})
    begin = check.begin([(str(path), "out")], None, len(LINES), MARKED_AT)
    seen = check.read(looked_for, begin, 0, False, check.Time(lambda: NOW, lambda: 0.0, lambda _seconds: None))
    return check.describe(looked_for, seen, MARKED_AT, False, NOW)


@pytest.fixture
def measured(app, tmp_path):
    """Return a function that asks an app and its log, and returns the names of all that was measured."""

    def measure(since, **options):
        settings, answers = app(well(since=since), cache_stats_url=URL, **options)
        asked = ask(settings, answers)
        health, log = answer_probes(asked["app"]), answer_log(asked["log"], tmp_path / "shop-out.log")
        settings, answers = app({**well(since=since), "health": health, "log": log}, cache_stats_url=URL, **options)
        return set(read(settings, answers).measurements)

    return measure


@pytest.mark.parametrize("probes", [[], [QUEUE]], ids=["no probe of the user", "a probe of the user"])
def test_every_metric_of_the_registry_is_measured_of_a_release_and_nothing_else(measured, probes):
    users = {name for probe in probes for name in probe["measurements"]}
    assert measured("switch", probes=probes) - KEPT_FOR_THE_NEXT == {metric.name for metric in METRICS} | users


def test_of_a_running_revision_only_what_the_registry_says_is_measured(measured):
    assert measured("baseline") == {metric.name for metric in METRICS if metric.measured == "always"}
