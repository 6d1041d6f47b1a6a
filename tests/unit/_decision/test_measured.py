# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import (
    Measured,
    measured_share,
    parse_measurement,
    show,
)
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import MatrixError
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import Counts


@pytest.mark.parametrize(
    "value, parsed",
    [
        (None, None),
        ({"value": None, "samples": 0}, None),
        (True, Measured(True, True, True)),
        ({"value": False, "note": "nothing listens"}, Measured(False, False, False, note="nothing listens")),
        (2.5, Measured(2.5, 2.5, 2.5)),
        ({"value": 2, "low": 1, "high": 4, "samples": 80}, Measured(2, 1, 4, 80)),
        (
            {"value": 50, "samples": 2, "events": 1, "blocks": [[1, 2]]},
            Measured(50, 50, 50, 2, counts=Counts(1, 2, ((1, 2),))),
        ),
        (
            {"value": 50, "samples": 2, "events": 1, "since_switch": {"events": 3, "samples": 4, "blocks": []}},
            Measured(50, 50, 50, 2, counts=Counts(1, 2), whole=Counts(3, 4)),
        ),
        (
            {"value": 50, "samples": 2, "events": 1, "fresh": {"events": 0, "samples": 1}},
            Measured(50, 50, 50, 2, counts=Counts(1, 2), fresh=Counts(0, 1)),
        ),
    ],
)
def test_a_measurement_is_a_value_with_an_interval_and_counts_or_nothing(value, parsed):
    assert parse_measurement("m", value) == parsed


@pytest.mark.parametrize(
    "metric, value, counted",
    [
        ("error_rate", {"value": 1.5, "samples": 200}, Counts(3, 200)),
        ("error_rate", {"value": 1.5}, None),
        ("response_time", {"value": 1.5, "samples": 200}, None),
        ("mine", {"value": 1.5, "samples": 200}, None),
    ],
)
def test_a_rate_of_an_earlier_version_has_counts_too(metric, value, counted):
    assert parse_measurement(metric, value).counts == counted


@pytest.mark.parametrize(
    "wrong", [{"value": 50, "samples": 2, "events": 3}, {"value": 50, "events": 1, "samples": 2, "since_switch": {}}]
)
def test_counts_that_cannot_be_are_refused_with_the_name_of_the_metric(wrong):
    with pytest.raises(MatrixError, match="Measurement m must have whole numbers of events"):
        parse_measurement("m", wrong)


def test_counted_events_are_a_percentage_with_an_interval():
    share = measured_share(Counts(5, 1000))
    assert (share.value, share.samples, share.counts) == (0.5, 1000, Counts(5, 1000))
    assert share.low < 0.5 < share.high
    assert measured_share(Counts(0, 0)) == Measured(0.0, 0.0, 100.0, 0, counts=Counts(0, 0))


@pytest.mark.parametrize("value, text", [(True, "true"), (False, "false"), (2.0, "2"), (2.346, "2.35"), (-1, "-1")])
def test_a_value_is_shown_short(value, text):
    assert show(value) == text
