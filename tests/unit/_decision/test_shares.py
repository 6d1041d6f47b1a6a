# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import random

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.budget import BUDGET
from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import parse_measurement
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import parse_row
from ansible_collections.greenlight.release.plugins.module_utils._decision.shares import judge_share
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import wilson_interval

RATE = {
    "metric": "error_rate",
    "relative": True,
    "target": {"below": 10},
    "action": "monitor",
    "rollback_if": {"above": 50},
    "minimum_samples": 100,
    "floor": 0.05,
}
LEVEL = {"metric": "error_rate", "target": {"below": 2}, "action": "monitor", "rollback_if": {"above": 5}}
FEWER = {**RATE, "target": {"above": -10}, "rollback_if": {"below": -50}}


def share(events, total, blocks=None, since_switch=None):
    low, high = (100 * bound for bound in wilson_interval(events, total))
    value = 100 * events / total if total else 0.0
    counted = {"value": value, "low": min(low, value), "high": max(high, value), "samples": total, "events": events}
    whole = {"since_switch": dict(zip(("events", "samples"), since_switch))} if since_switch else {}
    return {**counted, "blocks": blocks or [], **whole}


def judged(row, now, base=None, budget=BUDGET):
    measured = [parse_measurement("error_rate", each) for each in (now, base)]
    return judge_share(parse_row(0, row, None), *measured, budget)


def spread(events, total, bunch):
    """Return twenty blocks of counts, in which every `bunch`-th has all events."""
    full = [index for index in range(20) if index % bunch == 0]
    return [[events // len(full) if index in full else 0, total // 20] for index in range(20)]


@pytest.mark.parametrize(
    "now, base, outcome",
    [
        # One failure of a hundred says nothing against a baseline of thousands of requests.
        (share(1, 100), share(7, 37_000), "inconclusive"),
        # A commit that changed only the README.
        (share(2, 110), share(33, 37_000), "inconclusive"),
        (share(2, 110), share(0, 37_000), "inconclusive"),
        (share(1, 100), share(0, 100), "inconclusive"),
        (share(0, 100), share(0, 100), "pass"),
        (share(0, 100), share(7, 37_000), "pass"),
        (share(8, 100), share(37, 37_000), "rollback"),
        (share(50, 1000), share(370, 37_000), "rollback"),
        (share(64, 900), share(0, 24_001), "rollback"),
        (share(20, 1000), share(370, 37_000), "inconclusive"),
        (share(700, 50_000), share(370, 37_000), "miss"),
        (share(40, 100_000), share(10, 100_000), "pass"),
        (share(9, 99), share(370, 37_000), "inconclusive"),
        (share(9, 900), share(3, 99), "inconclusive"),
        (share(0, 0), share(0, 37_000), "inconclusive"),
        (share(50, 1000), {"value": 1.0, "samples": 37_000}, "rollback"),
    ],
)
def test_failed_requests_are_judged_by_their_counts(now, base, outcome):
    assert judged(RATE, now, base).outcome == outcome


@pytest.mark.parametrize("bunch, outcome", [(1, "rollback"), (5, "inconclusive")])
def test_failures_that_come_in_bunches_prove_less(bunch, outcome):
    base = share(400, 40_000, spread(400, 40_000, bunch))
    assert judged(RATE, share(30, 1000), base).outcome == outcome


@pytest.mark.parametrize(
    "row, now, base, reason",
    [
        (RATE, share(50, 1000), share(370, 37_000), "+400.0 % (1 to 5, 50 of 1,000) is above 50 %"),
        (RATE, share(64, 900), share(0, 24_001), "0 to 7.11, 64 of 900 is above 50 %"),
        (RATE, share(0, 900), share(0, 24_001), "0 to 0, 0 of 900 is below 10 %"),
        (RATE, share(2, 110), share(33, 37_000), "2 of 110) is not below 10 %, which may be chance; about "),
        (RATE, share(40, 100_000), share(10, 100_000), "differs by no more than the floor of 0.05"),
        (RATE, share(9, 99), share(370, 37_000), "99 samples, 100 are needed; about "),
        (RATE, share(9, 900), share(3, 99), "the baseline has 99 samples, 100 are needed; about "),
        (RATE, share(70, 10_000, since_switch=(70, 10_000)), share(370, 37_000), "70 of 10,000 since the switch) is"),
        (LEVEL, share(90, 1000), None, "9 (90 of 1,000) is above 5"),
        (LEVEL, share(10, 1000), None, "1 (10 of 1,000) is below 2"),
        (LEVEL, share(25, 1000), None, "2.5 (25 of 1,000) is not below 2, which may be chance"),
        (LEVEL, share(40, 1000), None, "4 (40 of 1,000) is not below 2"),
    ],
)
def test_a_verdict_says_what_was_counted_and_when(row, now, base, reason):
    assert reason in judged(row, now, base).reason


@pytest.mark.parametrize(
    "hour, whole, outcome, window",
    [
        # A little more in each hour adds up.
        ((25, 1000), (600, 24_000), "rollback", "since the switch"),
        ((25, 1000), (25, 1000), "inconclusive", "since the switch"),
        # What begins late is not hidden by the hours before.
        ((90, 1000), (320, 24_000), "rollback", "in the last hour"),
        ((10, 1000), (240, 24_000), "pass", "since the switch"),
    ],
)
def test_everything_since_the_switch_is_judged_beside_the_last_hour(hour, whole, outcome, window):
    verdict = judged(RATE, share(*hour, since_switch=whole), share(370, 37_000))
    assert (verdict.outcome, verdict.window) == (outcome, window)


@pytest.mark.parametrize(
    "fresh, confirmed",
    [
        (None, False),
        ((0, 0), False),
        ((0, 60), False),
        ((1, 60), False),
        ((4, 60), True),
        ((60, 60), True),
    ],
)
@pytest.mark.parametrize("row", [RATE, {**RATE, "action": "rollback", "rollback_if": None}])
def test_what_came_after_an_earlier_look_must_say_the_same(row, fresh, confirmed):
    now = {**share(50, 1000), **({"fresh": dict(zip(("events", "samples"), fresh))} if fresh else {})}
    kept = {key: value for key, value in row.items() if value is not None}
    assert judged(kept, now, share(370, 37_000)).confirmed is confirmed


@pytest.mark.parametrize(
    "row, now, base, outcome",
    [
        (FEWER, share(100, 1000), share(8000, 20_000), "rollback"),
        (FEWER, share(280, 1000), share(8000, 20_000), "miss"),
        (FEWER, share(355, 1000), share(8000, 20_000), "inconclusive"),
        (FEWER, share(390, 1000), share(8000, 20_000), "pass"),
        ({**LEVEL, "target": {"above": 90}, "rollback_if": {"below": 50}}, share(300, 1000), None, "rollback"),
        ({**LEVEL, "target": {"above": 90}, "rollback_if": {"below": 50}}, share(800, 1000), None, "miss"),
        ({**LEVEL, "target": {"equals": 2}, "rollback_if": {"above": 50}}, share(20, 1000), None, "pass"),
        ({**LEVEL, "target": {"equals": 2}, "rollback_if": {"above": 50}}, share(21, 1000), None, "miss"),
        ({**RATE, "action": "rollback", "rollback_if": None}, share(20, 1000), share(370, 37_000), "inconclusive"),
        ({**RATE, "action": "rollback", "rollback_if": None}, share(50, 1000), share(370, 37_000), "miss"),
        ({**RATE, "floor": 0}, share(0, 1000), share(0, 37_000), "pass"),
        ({**RATE, "floor": 0}, share(9, 1000), share(0, 37_000), "rollback"),
    ],
)
def test_every_kind_of_bound_can_be_crossed(row, now, base, outcome):
    kept = {key: value for key, value in row.items() if value is not None}
    assert judged(kept, now, base).outcome == outcome


@pytest.mark.parametrize(
    "now, base, needed",
    [
        (share(2, 110), share(33, 37_000), True),
        (share(50, 1000), share(370, 37_000), False),
        (share(400, 40_000), share(370, 37_000), False),
        (share(100, 3_000_000), share(0, 9_000_000), False),
    ],
)
def test_an_unclear_verdict_says_how_many_samples_it_would_take(now, base, needed):
    verdict = judged(RATE, now, base)
    assert (verdict.samples_needed is not None, "about" in verdict.reason) == (needed, needed)


def test_fewer_than_one_in_a_thousand_unchanged_releases_is_rolled_back_in_a_watch_and_a_bad_one_is():
    """The sizes are real ones: a baseline of 16 MiB of log, and hours with little traffic."""
    generator = random.Random(20260219)

    def watched(rate, per_hour, factor):
        base = sum(generator.random() < rate for _request in range(37_000))
        whole = [0, 0]
        for look in range(1, 25):
            events = sum(generator.random() < factor * rate for _request in range(per_hour))
            whole = [whole[0] + events, whole[1] + per_hour]
            now = {"error_rate": share(events, per_hour, since_switch=whole)}
            if decide(now, [RATE], {"error_rate": share(base, 37_000)}, look=look)["decision"] == "rollback":
                return True
        return False

    assert [watched(0.001, 100, 1) for _release in range(40)] == [False] * 40
    assert [watched(0.01, 100, 5) for _release in range(10)] == [True] * 10


@pytest.mark.parametrize("failing", [1.0, 0.5, 0.1])
@pytest.mark.parametrize(
    "bad, outcome",
    [
        # All of the last half and the last fifth of an hour: bunches as large as a long outage.
        (range(10, 20), "unconfirmed"),
        (range(16, 20), "unconfirmed"),
        # What is over, and what ended before the latest requests.
        (range(10), "inconclusive"),
        (range(8, 16), "inconclusive"),
        ((9, 19), "inconclusive"),
    ],
)
def test_a_release_that_fails_now_is_shown_though_it_served_well_before(failing, bad, outcome):
    blocks = [[round(500 * failing) if index in bad else 0, 500] for index in range(20)]
    now = share(sum(block[0] for block in blocks), 10_000, blocks)
    verdict = judged(RATE, now, share(10, 10_000, [[index % 2, 500] for index in range(20)]), BUDGET / 100)
    assert verdict.outcome == outcome
    assert (verdict.window == "lately") == (outcome == "unconfirmed")


def test_the_latest_requests_say_nothing_of_a_row_that_rolls_nothing_back():
    blocks = [[500 if index > 15 else 0, 500] for index in range(20)]
    row = {key: value for key, value in RATE.items() if key != "rollback_if"}
    assert judged(row, share(2000, 10_000, blocks), share(10, 10_000)).outcome == "inconclusive"


def test_a_release_that_fails_now_is_rolled_back_when_the_next_look_sees_the_same():
    matrix = [{**RATE, "confirm": {"looks": 2, "within": "2m"}}]
    base = {"error_rate": share(10, 10_000, [[index % 2, 500] for index in range(20)])}
    late = share(2000, 10_000, [[500 if index > 15 else 0, 500] for index in range(20)])
    first = decide({"error_rate": late}, matrix, base, 3600)
    assert (first["decision"], first["findings"][0]["outcome"]) == ("monitor", "unconfirmed")
    assert first["reason"].endswith("2,000 of 2,000 lately) is above 50 %, which a later look must confirm")
    hour = {**share(10_000, 10_000, [[500, 500]] * 20), "fresh": {"events": 10_000, "samples": 10_000}}
    hour["since_switch"] = {"events": 12_000, "samples": 20_000, "blocks": [[0, 1000]] * 8 + [[1000, 1000]] * 12}
    assert decide({"error_rate": hour}, matrix, base, 7200, look=2)["decision"] == "rollback"
