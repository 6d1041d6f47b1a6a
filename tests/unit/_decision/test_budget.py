# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision import budget
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import parse_row

LINE = {"target": {"below": 10}, "action": "monitor", "rollback_if": {"above": 50}}


def row(**keys):
    return parse_row(0, {**LINE, **keys}, None)


@pytest.mark.parametrize("looks", [1, 24, 30, 1000, 20_000])
def test_the_shares_of_any_number_of_looks_are_less_than_the_whole(looks):
    assert 0 < sum(budget.share_of(look) for look in range(1, looks + 1)) < 1


def test_a_usual_watch_uses_half_of_it_and_no_look_much_less_than_another():
    shares = [budget.share_of(look) for look in range(1, 25)]
    assert sum(shares) == pytest.approx(0.5)
    assert max(shares) < 4 * min(shares)


@pytest.mark.parametrize(
    "keys, judges",
    [
        ({"metric": "error_rate"}, True),
        ({"metric": "response_time"}, True),
        ({"metric": "mine"}, True),
        ({"metric": "mine", "rollback_if": None}, False),
        ({"metric": "mine", "rollback_if": None, "action": "rollback"}, True),
        ({"metric": "critical_errors"}, False),
        ({"metric": "server_starts", "rollback_if": None, "target": {"equals": True}, "action": "rollback"}, False),
    ],
)
def test_only_rows_that_can_roll_back_by_chance_use_the_budget(keys, judges):
    kept = {key: value for key, value in {**LINE, **keys}.items() if value is not None}
    assert budget.judges_samples(parse_row(0, kept, None)) == judges


def test_the_rows_share_the_budget():
    one, two = [row(metric="error_rate")], [row(metric="error_rate"), row(metric="response_time")]
    assert budget.budget_of(one, 1) == budget.BUDGET * budget.share_of(1) == 2 * budget.budget_of(two, 1)
    assert budget.budget_of([row(metric="critical_errors")], 3) == budget.BUDGET * budget.share_of(3)


def test_the_normal_point_is_the_known_one():
    assert budget.normal_point(0.0005) == pytest.approx(3.2905, abs=1e-4)
