# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counted events of two revisions: how surprising it would be if the new one were no worse than a line allows.

Failures of independent requests would be exact binomial counts. Real ones come in bunches: an hour in which a database
is slow, a minute in which a dependency is away. How much more they scatter is read from the blocks that both logs are
cut into, and divides the counts, so that a bunch counts as about one event.

Source: J. Przyborowski and H. Wilenski, Homogeneity of results in testing samples from Poisson series (1940), for the
test given the sum; P. McCullagh and J. A. Nelder, Generalized Linear Models (1989), chapter 4.5, for the dispersion;
C. Alexopoulos and A. F. Seila, Output data analysis (1998), for larger batches where neighbours resemble each other.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, NamedTuple, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import Z_POWER, rounded_up

# Into so many blocks a log is cut at most.
MOST_BLOCKS = 20
# So many neighbouring blocks are taken together to see whether they resemble each other.
_BATCHES = (1, 2, 4)
# Fewer batches than these say nothing of the scatter.
_LEAST_BATCHES = 4
_SMALLEST = 1e-300


class CountsError(GreenlightError):
    """Counts that contradict each other."""


class Counts(NamedTuple):
    """Events among so many, in all and in blocks `(events, total)` in their order."""

    events: int
    total: int
    blocks: Tuple[Tuple[int, int], ...] = ()

    def plus(self, other: Counts) -> Counts:
        """Return both together, those of `other` as the later ones."""
        blocks = regroup([*self.blocks, *other.blocks])
        return Counts(self.events + other.events, self.total + other.total, tuple(blocks))


def regroup(blocks: Sequence[Sequence[int]]) -> List[Tuple[int, int]]:
    """Return neighbouring blocks put together, so that each has at least the MOST_BLOCKS-th part of the total."""
    whole = sum(block[1] for block in blocks)
    grouped: List[Tuple[int, int]] = []
    events = total = 0
    for block in blocks:
        events, total = events + block[0], total + block[1]
        if total and total * MOST_BLOCKS >= whole:
            grouped.append((events, total))
            events = total = 0
    # A rest is too small to be a block of its own.
    last = grouped.pop() if total else (0, 0)
    return [*grouped, (last[0] + events, last[1] + total)] if total else grouped


def dispersion(sides: Sequence[Sequence[Tuple[int, int]]]) -> float:
    """Return how many times more the events scatter than independent ones do, at least 1.

    Each of the `sides` has its own rate. The scatter of batches of 1, 2 and 4 blocks is looked at, and the largest
    counts: where hours resemble their neighbours, long batches scatter more than short ones.
    """
    found = [1.0]
    for size in _BATCHES:
        chi, freedom = 0.0, 0
        for blocks in sides:
            batches = [_sum(blocks[at : at + size]) for at in range(0, len(blocks) - size + 1, size)]
            events, total = _sum(batches)
            if len(batches) >= _LEAST_BATCHES and events:
                expected = [events * batch[1] / total for batch in batches]
                chi += sum((batch[0] - each) ** 2 / each for batch, each in zip(batches, expected))
                freedom += len(batches) - 1
        if freedom:
            found.append(chi / freedom)
    return max(found)


def _sum(blocks: Sequence[Tuple[int, int]]) -> Tuple[int, int]:
    return (sum(block[0] for block in blocks), sum(block[1] for block in blocks))


def surprise(now: Counts, base: Counts, line: float, floor: float, scatter: float) -> float:
    """Return the probability to see as many events as `now`, or more, where its rate is no more than `line` allows.

    `line` is a change against the rate of `base` in percent, and `floor` the least difference of two rates, as shares,
    that matters: allowed is what is within one of both. Given the sum of the events, those of now are binomial. For
    the floor the baseline is taken to have had so many events more. A baseline without events needs no other rule.
    """
    factor = 1 + line / 100
    change = _tail(now.events / scatter, base.events / scatter, factor * now.total, base.total)
    raised = (base.events + floor * base.total) / scatter
    return max(change, _tail(now.events / scatter, raised, now.total, base.total))


def surprise_of_fewer(now: Counts, base: Counts, line: float, floor: float, scatter: float) -> float:
    """Return the same for as few events as `now`, or fewer; `line` is negative then, where less is worse."""
    factor = max(0.0, 1 + line / 100)
    change = _tail(base.events / scatter, now.events / scatter, base.total, factor * now.total)
    raised = (now.events + floor * now.total) / scatter
    return max(change, _tail(base.events / scatter, raised, base.total, now.total))


def surprise_of_level(now: Counts, share: float, scatter: float) -> float:
    """Return the probability to see as many events as `now`, or more, where the share of them is `share` (0..1)."""
    events, others = now.events / scatter, (now.total - now.events) / scatter
    return 1.0 if events <= 0 else beta_share(share, events, others + 1)


def _tail(first: float, second: float, weight: float, other: float) -> float:
    """Return the probability of at least `first` of `first` + `second` events, each with weight : other."""
    if first <= 0 or weight + other <= 0:
        return 1.0
    return beta_share(weight / (weight + other), first, second + 1)


def beta_share(x: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function, the share of a beta distribution below `x`.

    By its continued fraction: W. H. Press and others, Numerical Recipes (2007), chapter 6.4.
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_share(1 - x, b, a)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, _reciprocal(1 - (a + b) * x / (a + 1))
    value, before, step = d, 0.0, 0
    # About as many steps as the root of the larger parameter.
    while abs(value - before) >= 1e-14 * abs(value):
        step += 1
        even = step * (b - step) * x / ((a + 2 * step - 1) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1))
        before = value
        for term in (even, odd):
            d, c = _reciprocal(1 + term * d), 1 + term / c or _SMALLEST
            value *= c * d
    return value


def _reciprocal(number: float) -> float:
    return 1 / (number or _SMALLEST)


def parse_counts(fields: Mapping[str, Any]) -> Counts:
    """Return counts out of `{events, samples, blocks}`. Raises CountsError."""
    pairs: List[Any] = [(fields.get("events"), fields.get("samples")), *map(tuple, fields.get("blocks") or ())]
    for pair in pairs:
        whole = len(pair) == 2 and all(isinstance(each, int) and not isinstance(each, bool) for each in pair)
        if not whole or not 0 <= pair[0] <= pair[1]:
            raise CountsError(f"must have whole numbers of events among samples, also in blocks, not {dict(fields)!r}")
    (events, total), *blocks = pairs
    return Counts(events, total, tuple(blocks))


def read_counts(rate: Mapping[str, Any]) -> Counts:
    """Return the counts of a rate in percent; those of an earlier version have no events. Raises CountsError."""
    if "events" in rate:
        return parse_counts(rate)
    samples = rate.get("samples") or 0
    return Counts(round(rate["value"] * samples / 100), samples)


def without_own(counts: Counts, failed: int, sent: int) -> Counts:
    """Return counts without requests of our own, of which some failed; they are among the last that were counted."""
    total = max(0, counts.total - sent)
    events = min(total, max(0, counts.events - failed))
    blocks: List[Tuple[int, int]] = []
    for block in reversed(counts.blocks):
        gone, lost = min(sent, block[1]), min(failed, block[0])
        sent, failed = sent - gone, failed - lost
        left = block[1] - gone
        blocks.append((min(left, block[0] - lost), left))
    return Counts(events, total, tuple(regroup(blocks[::-1])))


def describe_counts(counts: Counts) -> Dict[str, Any]:
    """Return counts as they are recorded."""
    return {"events": counts.events, "samples": counts.total, "blocks": [list(block) for block in counts.blocks]}


def samples_to_show(share: float, change: float, line: float, point: float, scatter: float) -> int:
    """Return how many samples each side needs, so that a true `change` is seen to lie beyond `line` 99 times in 100.

    Both are in percent, `share` (0..1) is the baseline's, and `point` the one of the standard normal distribution that
    a test must exceed.
    """
    distance = math.log((1 + change / 100) / (1 + line / 100))
    needed = ((point + Z_POWER) / distance) ** 2 * scatter * (1 + 1 / (1 + change / 100)) / share
    return rounded_up(needed)
