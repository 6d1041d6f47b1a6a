# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import MatrixError, parse_matrix
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import MeasureError
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import known_metrics

from _measure.conftest import make_settings


@pytest.mark.parametrize(
    "name, given, expected",
    [
        ("warm_up_seconds", "10", 10),
        ("stable_seconds", "0.5", 0.5),
        ("measure_seconds", 2.0, 2),
        ("same_hour_baseline", "yes", True),
        ("same_hour_baseline", True, True),
        ("same_hour_baseline", "False", False),
        ("same_hour_baseline", 0, False),
    ],
)
def test_an_option_from_a_command_line_is_a_text_and_means_the_same(name, given, expected):
    value = getattr(make_settings(**{name: given}), name)
    assert (value, type(value)) == (expected, type(expected))


@pytest.mark.parametrize(
    "name, given, problem",
    [
        ("warm_up_seconds", "soon", "greenlight_warm_up_seconds must be a number of seconds, not 'soon'"),
        ("health_deadline", None, "greenlight_health_deadline must be a number of seconds, not None"),
        ("same_hour_baseline", "maybe", "greenlight_same_hour_baseline must be true or false, not 'maybe'"),
    ],
)
def test_an_option_of_the_wrong_type_is_refused_by_its_name(name, given, problem):
    with pytest.raises(MeasureError, match=problem):
        make_settings(**{name: given})


def test_rows_of_all_three_lists_are_judged_and_can_be_patched_by_name():
    matrix = make_settings(decision_matrix_patches={"restarts": {"target": {"at_most": 2}}}).matrix()
    assert len(parse_matrix(matrix, known_metrics())) == 11
    assert [row["target"] for row in matrix if row["metric"] == "restarts"] == [{"at_most": 2}]


def test_a_patch_of_a_row_that_is_not_there_is_refused():
    with pytest.raises(MatrixError, match="no row"):
        make_settings(decision_matrix_patches={"no row": {"due": "1h"}}).matrix()


def test_probes_of_the_user_measure_metrics_of_their_own():
    probes = [
        {"name": "a", "measurements": {"queue": {}, "age": {}}},
        {"name": "b"},
        {"name": "c", "measurements": None},
    ]
    assert make_settings(probes=probes).probe_metrics() == ["queue", "age"]
