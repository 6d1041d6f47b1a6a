# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.json_path import JSONPathError


@pytest.mark.parametrize("path, value", [("a.b[1].c", 3), ("a", {"b": [0, {"c": 3}]})])
def test_a_path_leads_to_a_value(path, value):
    assert json_path.value_at({"a": {"b": [0, {"c": 3}]}}, path) == value


@pytest.mark.parametrize("path", ["x", "a.b[5]", "a.b.c", "a[0]"])
def test_a_path_that_ends_early_is_an_error(path):
    with pytest.raises(JSONPathError, match="the JSON has no"):
        json_path.value_at({"a": {"b": [1]}}, path)


@pytest.mark.parametrize(
    "path, is_path",
    [("a", True), ("a.b[0].c-d", True), ("[0].a", True), ("", False), ("a.", False), ("a[x]", False), (None, False)],
)
def test_a_path_is_recognised(path, is_path):
    assert json_path.is_path(path) is is_path


def test_the_names_in_a_path_are_its_keys():
    assert json_path.names_in("a.b[0].c") == ["a", "b", "c"]


@pytest.mark.parametrize("text", ["<html>", '{"a": 1', "[" * 100_000, '{"a": NaN}', "", "{} {}"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(JSONPathError, match="it is no JSON"):
        json_path.parse(text)


@pytest.mark.parametrize("text", ['{"status": "ok", "status": "error"}', '[{"a": {"b": 1, "b": 2}}]'])
def test_a_key_with_two_values_is_refused(text):
    with pytest.raises(JSONPathError, match="it has '(status|b)' twice, with different values"):
        json_path.parse(text)
    assert json_path.parse('{"a": 1, "a": 1}') == {"a": 1}


@pytest.mark.parametrize("text, value", [("[1, 2.5]", [1, 2.5]), ("9" * 5000, math.inf)])
def test_json_is_parsed_and_endless_numbers_do_not_cost_time(text, value):
    assert json_path.parse(text) == value


@pytest.mark.parametrize(
    "value, number",
    [
        (1, 1.0),
        (2.5, 2.5),
        ("95.67%", 95.67),
        (" 7 ", 7.0),
        ("1e3", 1000.0),
        ("9e999", None),
        (math.inf, None),
        ("1" * 100, None),
        (True, None),
        ("many", None),
        (None, None),
        ([], None),
    ],
)
def test_numbers_are_read_also_from_texts(value, number):
    assert json_path.to_number(value) == number


@pytest.mark.parametrize(
    "value, wanted, equal", [(1, 1, True), (1.0, 1, True), (True, 1, False), (True, True, True), ("1", 1, False)]
)
def test_values_are_equal_as_in_json(value, wanted, equal):
    assert json_path.is_equal(value, wanted) is equal
