# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import measure as health_measure
from ansible_collections.greenlight.release.plugins.module_utils._health.parse import parse_probe
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer, HealthError


def measure(how, body, earlier=None):
    probe = parse_probe(0, {"url": "http://h/", "name": "x", "measurements": {"m": how}}, 5)
    return health_measure.read_measurements(probe, Answer(200, 1.0, {}, body), earlier or {}, at=7.0)


@pytest.mark.parametrize(
    "how, body, found, reason",
    [
        ({"path": "r", "type": "percent"}, '{"r": "95.67%"}', {"m": 95.67}, None),
        ({"path": "r"}, '{"r": 400}', {"m": 400.0}, None),
        ({"path": "r", "type": "percent"}, '{"r": 100}', {"m": 100.0}, None),
        ({"path": "r", "type": "percent"}, '{"r": "0%"}', {"m": 0.0}, None),
        ({"path": "r", "type": "percent"}, '{"r": -0.1}', {}, "x: m was not measured, r is no percent"),
        ({"path": "r", "type": "percent"}, '{"r": 400}', {}, "x: m was not measured, r is no percent"),
        ({"path": "r"}, '{"r": "n/a"}', {}, "x: m was not measured, r is no number"),
        ({"path": "r"}, "{}", {}, "x: m was not measured, the JSON has no r"),
        (
            {"path": "h", "of": ["h", "n"]},
            '{"h": 0, "n": 0}',
            {},
            "x: m was not measured, it rests on 0 events, at least 1 are needed",
        ),
        ({"path": "h", "of": "n"}, '{"h": 3, "n": 2}', {}, "x: m was not measured, h is no part of n"),
        ({"path": "h", "of": "n"}, '{"h": -1, "n": 2}', {}, "x: m was not measured, h is no part of n"),
    ],
)
def test_measurements_are_read_or_the_reason_is_given(how, body, found, reason):
    measured = measure(how, body)
    assert (measured.values, measured.reasons) == (found, [reason] if reason else [])


def test_a_share_carries_its_interval():
    share = measure({"path": "h", "of": ["h", "m"], "minimum": 4}, '{"h": 3, "m": 1}').values["m"]
    assert (share["value"], share["samples"], share["low"] < 75 < share["high"]) == (75.0, 4, True)


def reading(epoch="", **values):
    return {"m": {"at": 1.0, "values": values, "epoch": epoch}}


@pytest.mark.parametrize(
    "earlier, body, value",
    [
        (reading(n=10), '{"n": 15}', 5.0),
        (reading(n=10), '{"n": 10}', 0.0),
        (reading(n=10), '{"n": 4}', 4.0),
        (reading("a", n=10), '{"n": 15, "pid": "a"}', 5.0),
        (reading("a", n=10), '{"n": 15, "pid": "b"}', 15.0),
    ],
)
def test_a_counter_is_measured_as_what_was_counted_since(earlier, body, value):
    epoch = {"epoch": "pid"} if "pid" in body else {}
    assert measure({"path": "n", "counter": True, **epoch}, body, earlier).values == {"m": value}


@pytest.mark.parametrize("earlier", [{}, {"m": {"at": 1.0, "values": {"other": 1}, "epoch": ""}}])
def test_a_counter_without_an_earlier_reading_is_not_measured_but_read(earlier):
    measured = measure({"path": "n", "counter": True}, '{"n": 15}', earlier)
    assert measured.reasons == ["x: m was not measured, there is no earlier reading of its counter"]
    assert measured.counters == {"m": {"at": 7.0, "values": {"n": 15.0}, "epoch": ""}}


HIT_RATE = {"path": "h", "of": ["h", "m"], "counter": True, "minimum": 20}


@pytest.mark.parametrize(
    "earlier, value, samples",
    [
        # In the time since, 30 of 40 were hits; the misses of long ago do not count.
        (reading(h=70, m=1000), 75.0, 40),
        # One counter became smaller, so the app was started again, and both count from zero.
        (reading(h=50, m=2000), 100 * 100 / 1110, 1110),
    ],
)
def test_the_share_of_counters_is_that_of_what_was_counted_since(earlier, value, samples):
    share = measure(HIT_RATE, '{"h": 100, "m": 1010}', earlier).values["m"]
    assert (share["value"], share["samples"]) == (value, samples)


def test_a_share_of_too_few_events_is_not_measured():
    measured = measure(HIT_RATE, '{"h": 10, "m": 10}', reading(h=1, m=0))
    assert measured.reasons == ["x: m was not measured, it rests on 19 events, at least 20 are needed"]


@pytest.mark.parametrize("counters", [[], {"m": 1}, {"m": {"values": 1}}, {"m": {"values": {"n": "x"}}}])
def test_counters_of_somebody_else_are_refused(counters):
    with pytest.raises(HealthError, match="counters are not those that health_check returned"):
        health_measure.check_counters(counters)


def test_counters_survive_being_returned_and_given_again():
    assert health_measure.check_counters(reading(n=1)) == reading(n=1)


def test_latencies_are_summed_up_with_their_intervals():
    summary = health_measure.summarise_latency([3.0, 1.0, 2.0] * 200, 200)
    assert (summary["count"], summary["mean"], summary["p50"], summary["max"]) == (600, 2.0, 2.0, 3.0)
    assert (summary["p50_low"], summary["p50_high"], summary["failed_share"]) == (2.0, 2.0, 0.25)
    assert summary["failed_share_low"] < 0.25 < summary["failed_share_high"]
    for name in ("mean", "p90", "p95", "p99"):
        assert summary[f"{name}_low"] <= summary[name] <= summary[f"{name}_high"]


@pytest.mark.parametrize(
    "count, bounded",
    [
        (7, ["p90_low", "p95_low", "p99_low"]),
        (8, ["p50_low", "p50_high", "p90_low", "p95_low", "p99_low"]),
        (51, ["p50_low", "p50_high", "p90_low", "p90_high", "p95_low", "p99_low"]),
        (530, ["p50_low", "p50_high", "p90_low", "p90_high", "p95_low", "p95_high", "p99_low", "p99_high"]),
    ],
)
def test_a_bound_that_so_few_latencies_do_not_have_is_left_out(count, bounded):
    summary = health_measure.summarise_latency([float(number) for number in range(count)], 0)
    assert [name for name in summary if name[0] == "p" and "_" in name] == bounded


def test_one_latency_is_its_own_interval():
    summary = health_measure.summarise_latency([2.0], 0)
    assert (summary["mean_low"], summary["mean"], summary["mean_high"]) == (2.0, 2.0, 2.0)


@pytest.mark.parametrize("failed, share", [(2, 1.0), (0, 0.0)])
def test_without_good_answers_only_the_share_of_failures_is_known(failed, share):
    summary = health_measure.summarise_latency([], failed)
    assert (summary["count"], summary["failed_share"], "p50" in summary) == (0, share, False)
