# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurements of several hosts as if one had been measured: what a row of scope fleet is judged by.

A rate, which is a percentage with samples, is counted again over the requests of all hosts. A boolean holds where it
holds on every host. Everything else is the mean of the hosts, by their samples where they have some, so that a target
means the same for a fleet as for a host.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import (
    Measured,
    measured_share,
    parse_measurement,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import (
    Counts,
    describe_counts,
    read_counts,
    regroup,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import find_metric


def pool(hosts: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """Return the measurements of `hosts` together; one that a host does not have is left out.

    Otherwise the silence of one host would count as the health of all. Raises MatrixError for what is no measurement.
    """
    pooled = {}
    for name in sorted({name for measurements in hosts for name in measurements}):
        found = [parse_measurement(name, measurements.get(name)) for measurements in hosts]
        together = _together(name, found)
        if together is not None:
            pooled[name] = together
    return pooled


def _together(name: str, found: Sequence[Optional[Measured]]) -> Any:
    measured = [each for each in found if each is not None]
    if len(measured) < len(found):
        return None
    if any(isinstance(each.value, bool) for each in measured):
        notes = [each.note for each in measured if each.note]
        return {"value": all(each.value for each in measured), "note": "; ".join(notes)}
    if all(each.samples is not None for each in measured) and _is_share(name):
        return _rate(measured)
    return _mean(measured)


def _is_share(name: str) -> bool:
    """Say whether a value with samples is a percentage of them, as that of a user's own probe is."""
    metric = find_metric(name)
    return metric is None or metric.pooled == "requests"


def _rate(measured: Sequence[Measured]) -> Dict[str, Any]:
    """Return the share over the samples of all hosts. They serve at the same time, so their blocks lie side by side."""
    counts = [each.counts or read_counts(vars(each)) for each in measured]
    share = measured_share(_sum(counts))
    together = {"value": share.value, "low": share.low, "high": share.high, **describe_counts(_sum(counts))}
    if any(each.whole for each in measured):
        whole = [each.whole or hour for each, hour in zip(measured, counts)]
        together["since_switch"] = describe_counts(_sum(whole))
    if any(each.fresh for each in measured):
        together["fresh"] = describe_counts(_sum([each.fresh or Counts(0, 0) for each in measured]))
    return together


def _sum(hosts: Sequence[Counts]) -> Counts:
    blocks = [counts.blocks for counts in hosts]
    # Where the hosts have other numbers of blocks, nobody knows which of them are of the same time.
    same = len({len(each) for each in blocks}) == 1
    beside = [(sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)) for pairs in zip(*blocks)]
    return Counts(
        sum(counts.events for counts in hosts),
        sum(counts.total for counts in hosts),
        tuple(beside if same else regroup([block for each in blocks for block in each])),
    )


def _mean(measured: Sequence[Measured]) -> Dict[str, Any]:
    """Return the weighted mean; the distances to the ends of the hosts' intervals add up as independent errors do."""
    weights = _weights(measured)
    value = sum(weight * each.value for weight, each in zip(weights, measured))
    below = math.hypot(*(weight * (each.value - each.low) for weight, each in zip(weights, measured)))
    above = math.hypot(*(weight * (each.high - each.value) for weight, each in zip(weights, measured)))
    together = {"value": value, "low": value - below, "high": value + above}
    if all(each.samples is not None for each in measured):
        together["samples"] = sum(each.samples or 0 for each in measured)
    return together


def _weights(measured: Sequence[Measured]) -> List[float]:
    samples = [each.samples or 0 for each in measured]
    total = sum(samples)
    return [count / total for count in samples] if all(samples) else [1 / len(measured)] * len(measured)
