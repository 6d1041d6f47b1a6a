# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values import counts
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import Counts, CountsError


def exact_tail(events, trials, share):
    """Return the probability of at least so many events, as an exact fraction."""
    return sum(math.comb(trials, k) * share**k * (1 - share) ** (trials - k) for k in range(events, trials + 1))


@pytest.mark.parametrize(
    "now, base, line",
    [
        ((1, 100), (7, 37000), 50),
        ((2, 110), (33, 37000), 50),
        ((5, 100), (370, 37000), 50),
        ((50, 1000), (370, 37000), 50),
        ((3, 1000), (0, 37000), 50),
        ((12, 300), (1, 40), 0),
        ((9, 80), (1, 900), 300),
        ((1100, 9000), (3700, 37000), 0),
    ],
)
def test_the_test_of_two_counts_agrees_with_exact_fractions(now, base, line):
    weight = Fraction(100 + line, 100) * now[1]
    exact = exact_tail(now[0], now[0] + base[0], weight / (weight + base[1]))
    assert counts.surprise(Counts(*now), Counts(*base), line, 0.0, 1.0) == pytest.approx(float(exact), rel=1e-9)


@pytest.mark.parametrize("events, total, share", [(1, 20, "1/10"), (7, 100, "1/50"), (100, 100, "9/10"), (3, 4, "1/2")])
def test_the_test_of_a_level_agrees_with_exact_fractions(events, total, share):
    exact = exact_tail(events, total, Fraction(share))
    found = counts.surprise_of_level(Counts(events, total), float(Fraction(share)), 1.0)
    assert found == pytest.approx(float(exact), rel=1e-9)


def test_fewer_events_are_as_surprising_as_more_of_them_on_the_other_side():
    now, base = Counts(3, 1000), Counts(40, 2000)
    halved = counts.surprise_of_fewer(now, base, -50, 0.0, 1.0)
    assert halved == pytest.approx(counts.surprise(base, now, 100, 0.0, 1.0), rel=1e-12)
    assert counts.surprise_of_fewer(now, base, -50, 0.015, 1.0) > halved


@pytest.mark.parametrize("share, expected", [(0.0, 0.0), (1.0, 1.0)])
def test_what_cannot_be_is_no_surprise_and_what_must_be_none(share, expected):
    assert counts.surprise_of_level(Counts(3, 9), share, 1.0) == expected
    assert counts.surprise_of_level(Counts(0, 9), share, 1.0) == 1.0


def test_no_requests_and_no_events_surprise_nobody():
    assert counts.surprise(Counts(0, 0), Counts(0, 0), 50, 0.0005, 1.0) == 1.0
    assert counts.surprise(Counts(0, 500), Counts(3, 400), 50, 0.0005, 1.0) == 1.0


def test_a_difference_within_the_floor_is_no_surprise():
    now, base = Counts(20, 100_000), Counts(1, 100_000)
    assert counts.surprise(now, base, 50, 0.0, 1.0) < 1e-3
    assert counts.surprise(now, base, 50, 0.0005, 1.0) > 0.9


def test_bunches_make_the_same_counts_less_surprising():
    now, base = Counts(30, 1000), Counts(370, 37000)
    assert counts.surprise(now, base, 50, 0.0005, 4.0) > 100 * counts.surprise(now, base, 50, 0.0005, 1.0)


@pytest.mark.parametrize(
    "sides, expected",
    [
        ([], 1.0),
        ([[(5, 100)] * 20], 1.0),
        ([[(0, 100)] * 20], 1.0),
        ([[(9, 100), (1, 100), (9, 100)]], 1.0),
        # Every second block has all events: as single blocks they scatter by 10 * 20 / 19, in pairs not at all.
        ([[(20, 100), (0, 100)] * 10], 10 * 20 / 19),
        # Neighbours resemble each other: batches of four show it.
        ([([(20, 100)] * 4 + [(0, 100)] * 4) * 2 + [(10, 100)] * 4], 4 * 4 * 10 / 4),
    ],
)
def test_the_scatter_is_that_of_the_most_telling_batches(sides, expected):
    assert counts.dispersion(sides) == pytest.approx(expected)


def test_independent_blocks_scatter_about_once_and_both_sides_count():
    generator = random.Random(3)
    blocks = [(sum(generator.random() < 0.02 for _each in range(1000)), 1000) for _block in range(20)]
    alone, beside = counts.dispersion([blocks]), counts.dispersion([blocks, [(60, 1000), (0, 1000)] * 10])
    assert (1.0 <= alone < 2.5, beside > 10) == (True, True)


@pytest.mark.parametrize(
    "blocks, grouped",
    [
        ([], []),
        ([(1, 2), (0, 0), (3, 4)], [(1, 2), (3, 4)]),
        ([(1, 10)] * 40, [(2, 20)] * 20),
        ([(0, 1000), (1, 1), (1, 1)], [(2, 1002)]),
    ],
)
def test_blocks_are_put_together_until_there_are_few_of_about_the_same_size(blocks, grouped):
    assert counts.regroup(blocks) == grouped


def test_any_number_of_blocks_becomes_twenty_at_most_and_loses_nothing():
    generator = random.Random(5)
    for _try in range(200):
        totals = [generator.choice([0, 1, 7, 400]) for _block in range(generator.randrange(90))]
        grouped = counts.regroup([(total // 7, total) for total in totals])
        assert len(grouped) <= counts.MOST_BLOCKS
        assert sum(block[1] for block in grouped) == sum(totals)


def test_counts_add_up_and_keep_their_order():
    one, two = Counts(1, 10, ((1, 10),)), Counts(2, 20, ((0, 10), (2, 10)))
    assert one.plus(two) == Counts(3, 30, ((1, 10), (0, 10), (2, 10)))


@pytest.mark.parametrize(
    "failed, sent, expected",
    [
        (0, 0, Counts(6, 30, ((5, 10), (0, 10), (1, 10)))),
        (0, 5, Counts(6, 25, ((5, 10), (0, 10), (1, 5)))),
        (1, 12, Counts(5, 18, ((5, 10), (0, 8)))),
        (9, 99, Counts(0, 0)),
        (0, 29, Counts(1, 1, ((1, 1),))),
    ],
)
def test_our_own_requests_are_taken_from_the_end_of_counts_and_values_alike(failed, sent, expected):
    assert counts.without_own(Counts(6, 30, ((5, 10), (0, 10), (1, 10))), failed, sent) == expected


@pytest.mark.parametrize(
    "rate, expected",
    [
        ({"events": 2, "samples": 9, "blocks": [[2, 9]]}, Counts(2, 9, ((2, 9),))),
        ({"events": 0, "samples": 0, "blocks": []}, Counts(0, 0)),
        ({"value": 1.5, "samples": 200}, Counts(3, 200)),
        ({"value": 1.5}, Counts(0, 0)),
    ],
)
def test_a_rate_has_counts_also_where_an_earlier_version_recorded_it(rate, expected):
    assert counts.read_counts(rate) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": 3, "samples": 2},
        {"events": 1.5, "samples": 2},
        {"events": True, "samples": 2},
        {"events": 1, "samples": None},
        {"events": 1, "samples": 2, "blocks": [[1, 2, 3]]},
        {"events": 1, "samples": 2, "blocks": [[-1, 2]]},
    ],
)
def test_counts_that_contradict_each_other_are_refused(wrong):
    with pytest.raises(CountsError, match="whole numbers of events"):
        counts.parse_counts(wrong)


def test_what_is_described_can_be_parsed():
    given = Counts(2, 9, ((2, 4), (0, 5)))
    assert counts.parse_counts(counts.describe_counts(given)) == given


def test_the_samples_to_show_a_change_agree_with_the_normal_approximation():
    # (3.2905 + 2.3263)^2 * (1/0.1 + 1/0.05) / ln(2/1.5)^2 = 11,436, and twice as many where events scatter twice.
    assert counts.samples_to_show(0.05, 100, 50, 3.2905, 1.0) == pytest.approx(11_436, rel=0.05)
    assert counts.samples_to_show(0.05, 100, 50, 3.2905, 2.0) == pytest.approx(2 * 11_436, rel=0.05)
