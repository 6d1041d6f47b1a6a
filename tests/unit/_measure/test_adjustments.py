# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.adjust import AdjustError
from ansible_collections.greenlight.release.plugins.module_utils._measure.adjustments import (
    adjustable,
    plan,
)

from _measure.conftest import well


def finding(env, value=40, **changes):
    return {
        "name": env.lower(),
        "adjust": {"env": env, "multiply": 2},
        "value": value,
        "low": value,
        "high": value,
        "target": "above 80",
        "outcome": "miss",
        **changes,
    }


def adjustment(env, before, after, value=40, taken_back=False):
    return {"row": env.lower(), "env": env, "from": before, "to": after, "value": value, "taken_back": taken_back}


def environ(**variables):
    return base64.b64encode("\0".join(f"{name}={value}" for name, value in variables.items()).encode()).decode()


def answers_after(app, *earlier, own_restarts=0, processes=1):
    results = well()
    results["record"]["record"]["facts"].update(adjustments=list(earlier), own_restarts=own_restarts)
    results["process"]["processes"] = [{"restarts": 0}] * processes
    return app(results)[1]


@pytest.mark.parametrize(
    "findings, expected",
    [
        ([], []),
        ([{"name": "no adjust"}, {"name": "null", "adjust": None}], []),
        ([finding("TTL"), finding("POOL"), finding("TTL", name="later")], ["TTL", "POOL"]),
    ],
)
def test_variables_are_adjustable_that_a_row_names_and_each_once(app, findings, expected):
    assert adjustable(findings) == expected
    assert plan(app()[1], findings)["adjustable"] == expected


def test_a_plan_says_how_to_do_it_and_how_to_undo_it_with_every_restart_that_it_causes(app):
    before = adjustment("POOL", "5", "10")
    planned = plan(answers_after(app, before, own_restarts=2, processes=2), [finding("TTL")], environ(TTL=30, POOL=10))
    there, again = adjustment("TTL", "30", "60"), adjustment("TTL", "60", "30", taken_back=True)
    assert (planned["adjustments"], planned["notes"]) == ([there], [])
    assert planned["forward"] == {"env": {"TTL": "60"}, "facts": {"adjustments": [before, there], "own_restarts": 4}}
    facts = {"adjustments": [before, there, again], "own_restarts": 6}
    assert planned["back"] == {"env": {"TTL": "30"}, "facts": facts}


def test_an_adjustment_that_made_it_worse_is_reversed(app):
    earlier = [adjustment("TTL", "30", "60"), adjustment("TTL", "60", "120", value=45)]
    planned = plan(answers_after(app, *earlier), [finding("TTL", value=20)], environ(TTL=120))
    assert planned["forward"]["env"] == {"TTL": "60"}
    assert planned["forward"]["facts"]["adjustments"] == [*earlier, adjustment("TTL", "120", "60", 20, taken_back=True)]
    assert planned["back"]["env"] == {"TTL": "120"}


def test_a_variable_that_stays_changes_nothing_and_says_why(app):
    planned = plan(answers_after(app), [finding("TTL")], environ(PORT=3000))
    assert (planned["forward"]["env"], planned["adjustments"]) == ({}, [])
    assert planned["notes"] == ["TTL stays: the running app has no number in it"]


def test_what_is_no_environment_is_refused(app):
    with pytest.raises(AdjustError, match="not base64"):
        plan(answers_after(app), [finding("TTL")], "%")
