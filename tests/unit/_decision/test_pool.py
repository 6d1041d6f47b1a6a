# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._decision.pool import pool
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import wilson_interval


def rate(events, total):
    low, high = wilson_interval(events, total)
    interval = {"value": 100 * events / total if total else 0, "low": 100 * low, "high": 100 * high}
    return {**interval, "samples": total, "events": events}


@pytest.mark.parametrize(
    "hosts, events, total",
    [
        ([(1, 100)], 1, 100),
        ([(1, 100), (9, 900)], 10, 1000),
        ([(0, 50), (3, 7), (1, 10000)], 4, 10057),
        ([(0, 0), (2, 100)], 2, 100),
    ],
)
def test_a_rate_is_counted_over_the_requests_of_all_hosts(hosts, events, total):
    pooled = pool([{"error_rate": rate(*each)} for each in hosts])["error_rate"]
    assert pooled.pop("blocks") == []
    assert pooled == pytest.approx(rate(events, total))


@pytest.mark.parametrize(
    "first, second, together",
    [
        # Blocks of the same time are one.
        ([[1, 10], [0, 10]], [[4, 20], [0, 30]], [[5, 30], [0, 40]]),
        ([[1, 10], [0, 10]], [[4, 50]], [[1, 10], [0, 10], [4, 50]]),
    ],
)
def test_the_blocks_of_the_hosts_lie_beside_each_other(first, second, together):
    hosts = [{"error_rate": {**rate(1, 20), "blocks": first}}, {"error_rate": {**rate(4, 50), "blocks": second}}]
    assert pool(hosts)["error_rate"]["blocks"] == together


def test_what_was_counted_since_the_switch_is_added_up_too():
    whole = {"events": 9, "samples": 400, "blocks": []}
    hosts = [{"error_rate": {**rate(1, 20), "since_switch": whole}}, {"error_rate": rate(4, 50)}]
    assert pool(hosts)["error_rate"]["since_switch"] == {"events": 13, "samples": 450, "blocks": []}


def test_what_came_after_a_first_look_is_added_up_where_a_host_had_one():
    hosts = [{"error_rate": {**rate(5, 20), "fresh": {"events": 3, "samples": 9}}}, {"error_rate": rate(0, 50)}]
    assert pool(hosts)["error_rate"]["fresh"] == {"events": 3, "samples": 9, "blocks": []}


def test_the_rate_of_an_older_host_is_counted_from_its_percentage():
    old = {name: value for name, value in rate(3, 100).items() if name != "events"}
    assert pool([{"error_rate": old}, {"error_rate": rate(1, 100)}])["error_rate"]["events"] == 4


def test_a_rate_of_no_requests_is_nothing_sure():
    empty = {"value": 0.0, "low": 0.0, "high": 100.0, "samples": 0, "events": 0, "blocks": []}
    assert pool([{"error_rate": empty}, {"error_rate": empty}]) == {"error_rate": empty}


@pytest.mark.parametrize(
    "hosts, together",
    [
        ([True, True], {"value": True, "note": ""}),
        (
            [{"value": False, "note": "a is down"}, {"value": True}, {"value": False, "note": "c is down"}],
            {"value": False, "note": "a is down; c is down"},
        ),
    ],
)
def test_a_boolean_holds_where_it_holds_on_every_host(hosts, together):
    assert pool([{"server_starts": each} for each in hosts]) == {"server_starts": together}


def test_other_numbers_are_the_mean_of_the_hosts():
    assert pool([{"cache_hit_rate": 80}, {"cache_hit_rate": 40.0}]) == {
        "cache_hit_rate": {"value": 60.0, "low": 60.0, "high": 60.0}
    }


def test_a_median_is_weighted_by_its_samples_and_its_interval_shrinks():
    hosts = [
        {"response_time": {"value": 10, "low": 8, "high": 13, "samples": 30}},
        {"response_time": {"value": 20, "low": 16, "high": 28, "samples": 10}},
    ]
    pooled = pool(hosts)["response_time"]
    # 12.5, and the root of the squares of 1.5 and 1 below, of 2.25 and 2 above.
    assert pooled == pytest.approx({"value": 12.5, "low": 12.5 - 3.25**0.5, "high": 12.5 + 9.0625**0.5, "samples": 40})


def test_a_median_without_samples_on_one_host_weighs_as_much_as_the_others():
    hosts = [{"response_time": 10}, {"response_time": {"value": 20, "low": 20, "high": 20, "samples": 10}}]
    assert pool(hosts) == {"response_time": {"value": 15.0, "low": 15.0, "high": 15.0}}


def test_what_one_host_was_not_measured_by_is_left_out():
    assert pool(
        [{"error_rate": 1, "pool_exhausted": 0}, {"error_rate": 3, "pool_exhausted": None}, {"error_rate": 2}]
    ) == {"error_rate": {"value": 2.0, "low": 2.0, "high": 2.0}}


def test_no_hosts_have_no_measurements():
    assert pool([]) == {}


def test_what_is_no_measurement_is_refused():
    with pytest.raises(MatrixError, match="Measurement error_rate must be a boolean or a number"):
        pool([{"error_rate": "high"}])
