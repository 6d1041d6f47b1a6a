# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import rules as logs_rules
from ansible_collections.greenlight.release.plugins.module_utils._logs import scan as logs_scan
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import Rules
from ansible_collections.greenlight.release.plugins.module_utils._logs.scan import Scan


def rules(**given):
    return Rules(
        **{kind: logs_rules.parse_rules(kind, given.get(kind, [])) for kind in ("require", "forbid", "count")},
        ignore=logs_rules.parse_ignored([{"pattern": text} for text in given.get("ignore", [])]),
        rates=logs_rules.parse_rates(given.get("rates", {})),
    )


def scanned(lines, known=None, stream="out", **given):
    scan = Scan(rules(**given), known or {})
    scan.add(stream, ["".join(f"{line}\n" for line in lines).encode()])
    return scan


def test_a_pattern_is_literal_unless_it_is_a_regex():
    lines = ["a.c", "abc"]
    assert scanned(lines, count=[{"name": "n", "pattern": "a.c"}]).tallies["n"].count == 1
    assert scanned(lines, count=[{"name": "n", "pattern": "a.c", "regex": True}]).tallies["n"].count == 2


@pytest.mark.parametrize("stream, count", [("out", 0), ("err", 1), ("", 1)])
def test_a_rule_can_mean_one_stream(stream, count):
    scan = scanned(["x"], stream=stream, count=[{"name": "n", "pattern": "x", "stream": "err"}])
    assert scan.tallies["n"].count == count


def test_only_new_kinds_of_lines_count_where_that_is_asked():
    rule = {"name": "errors", "pattern": "Error", "new_kinds_only": True}
    known = scanned(["Error 1"], forbid=[rule]).kinds_found()
    scan = scanned(["Error 2", "Error in b"], known=known, forbid=[rule])
    assert (scan.tallies["errors"].count, scan.tallies["errors"].last) == (1, "Error in b")
    assert len(scan.kinds_found()["errors"]) == 2
    assert scan.tallies["errors"].known == 1


def test_lines_of_known_kinds_are_distinguished_also_where_they_count():
    rule = {"name": "errors", "pattern": "Error"}
    known = scanned(["Error 1"], forbid=[rule]).kinds_found()
    tally = scanned(["Error 2", "Error in b"], known=known, forbid=[rule]).tallies["errors"]
    assert (tally.count, tally.known) == (2, 1)


def test_ignored_lines_are_not_counted_as_forbidden():
    scan = scanned(["Error harmless", "Error"], forbid=[{"name": "e", "pattern": "Error"}], ignore=["harmless"])
    assert scan.tallies["e"].count == 1


@pytest.mark.parametrize(
    "lines, given, waiting",
    [
        ([], {"require": [{"pattern": "up"}]}, True),
        (["up"], {"require": [{"pattern": "up"}]}, False),
        (["s1"], {"rates": {"r": {"count": "s5", "of": "s", "minimum": 2}}}, True),
        (["s1", "s5"], {"rates": {"r": {"count": "s5", "of": "s", "minimum": 2}}}, False),
    ],
)
def test_it_waits_for_required_lines_and_for_enough_of_a_rate(lines, given, waiting):
    assert scanned(lines, **given).is_waiting() is waiting


@pytest.mark.parametrize(
    "lines, given, complete, problems",
    [
        (["up"], {"require": [{"name": "up", "pattern": "up"}]}, True, []),
        ([], {"require": [{"name": "up", "pattern": "up"}]}, True, ["up: 0 lines, at least 1 are required"]),
        (["x"], {"forbid": [{"name": "f", "pattern": "x"}]}, True, ["f: 1 lines, the last one is 'x'"]),
        (["x"], {"forbid": [{"name": "f", "pattern": "x", "maximum": 1}]}, True, []),
        (["x"] * 4, {"forbid": [{"name": "f", "pattern": "x", "maximum": 2, "per": "hour"}]}, True, []),
        (
            [],
            {"forbid": [{"pattern": "x"}]},
            False,
            ["a part of the log is missing, so nobody can say that it holds no errors"],
        ),
        ([], {}, False, []),
    ],
)
def test_rules_that_are_not_met_are_reported(lines, given, complete, problems):
    assert scanned(lines, **given).problems(complete, span=7200.0) == problems


def test_results_give_counts_and_the_first_and_last_line():
    scan = scanned(["x 1", "x 2"], count=[{"name": "n", "pattern": "x"}])
    assert scan.results(7200.0) == {"n": {"count": 2, "known": 0, "per_hour": 1.0, "first": "x 1", "last": "x 2"}}


@pytest.mark.parametrize("complete, measured", [(True, {"f": 1, "n": 0.5}), (False, {"f": 1})])
def test_counts_are_measurements_only_when_no_line_is_missing(complete, measured):
    scan = scanned(["x"], forbid=[{"name": "f", "pattern": "x"}], count=[{"name": "n", "pattern": "x", "per": "hour"}])
    assert scan.measurements(complete, 7200.0) == measured


def test_forbidden_lines_that_were_found_are_measured_also_where_lines_are_missing():
    forbid = [
        {"name": "f", "pattern": "x"},
        {"name": "h", "pattern": "x", "per": "hour"},
        {"name": "n", "pattern": "y"},
    ]
    scan = scanned(["x", "x"], forbid=forbid, rates={"r": {"count": "x", "of": "x"}})
    assert scan.measurements(False, 7200.0) == {"f": 2, "h": 1.0}


def test_a_rate_is_a_measurement_with_its_interval():
    scan = scanned(
        ["not a request", '"s":500'] + ['"s":200'] * 3, rates={"error_rate": {"count": '"s":5', "of": '"s":'}}
    )
    rate = scan.measurements(True, None)["error_rate"]
    assert (rate["value"], rate["samples"]) == (25.0, 4)
    assert rate["low"] < 25 < rate["high"]
    assert (rate["events"], rate["blocks"]) == (1, [[1, 4]])
    assert scan.measurements(False, None) == {}


@pytest.mark.parametrize("chunks", [1, 7, 200])
def test_a_rate_is_cut_into_blocks_in_the_order_of_the_log(chunks):
    lines = ["r ok"] * 9000 + ["r bad"] * 1000
    scan = scanned([], rates={"errors": {"count": "bad", "of": "r"}})
    size = len(lines) // chunks
    parts = [lines[at : at + size] for at in range(0, len(lines), size)]
    scan.add("out", [("\n".join(part) + "\n").encode() for part in parts])
    blocks = scan.measurements(True, None)["errors"]["blocks"]
    assert 10 <= len(blocks) <= 20
    assert max(block[1] for block in blocks) < 3 * min(block[1] for block in blocks)
    assert [sum(each) for each in zip(*blocks)] == [1000, 10_000]
    # All failures are at the end.
    assert [events for events, _total in blocks[: len(blocks) * 3 // 4]] == [0] * (len(blocks) * 3 // 4)


def test_a_rate_of_nothing_is_not_measured():
    assert scanned([], rates={"error_rate": {"count": "a", "of": "b"}}).measurements(True, None) == {}


@pytest.mark.parametrize("count, span, rate", [(4, None, 4), (4, 60, 4), (4, 7200, 2)])
def test_a_short_time_is_not_extrapolated_to_an_hour(count, span, rate):
    assert logs_scan.per_hour(count, span) == rate


def test_a_line_counts_in_a_rate_only_where_it_has_both_texts():
    scan = scanned(["s5 alone", "r s5", "r s2", "r"], rates={"errors": {"count": "s5", "of": "r"}})
    assert scan.rates["errors"].counted == [(1, 3)]


def test_a_flood_of_kinds_does_not_fill_the_record(monkeypatch):
    monkeypatch.setattr(logs_scan, "MOST_KINDS", 3)
    letters = [f"Error {chr(letter)}" for letter in range(97, 107)]
    scan = scanned(letters, forbid=[{"name": "e", "pattern": "Error", "new_kinds_only": True}])
    assert (scan.tallies["e"].count, len(scan.kinds_found()["e"])) == (10, 3)


def test_it_is_known_which_pattern_is_searched():
    assert scanned(["x"], count=[{"pattern": "a.c"}]).looking_for == "a.c"
    assert scanned(["x"], rates={"r": {"count": "c", "of": "o"}}).looking_for == "c"


def test_secrets_in_lines_are_not_shown():
    scan = scanned(["x password=hunter2"], forbid=[{"name": "n", "pattern": "x"}])
    assert "hunter2" not in str(scan.results(None)) + str(scan.problems(True, None))


def test_of_very_many_kinds_the_rarest_are_left_out():
    words = [f"{chr(97 + a)}{chr(97 + b)}{chr(97 + c)}" for a in range(20) for b in range(20) for c in range(8)]
    lines = ["Error often"] * 3 + [f"Error q{word}" for word in words] + ["Error often"] * 3
    scan = scanned(lines, forbid=[{"name": "e", "pattern": "Error"}])
    (often,) = scanned(["Error often"], forbid=[{"name": "e", "pattern": "Error"}]).kinds_found()["e"]
    assert len(scan.kinds_found()["e"]) == logs_scan.MOST_KINDS
    assert often in scan.kinds_found()["e"]


def test_styles_are_told_where_lines_are_read_by_them():
    assert scanned(["x"]).styles_found() == []


@pytest.mark.parametrize(
    "rule, count", [({"field": "err.code", "equals": "E", "level": "fatal"}, 2), ({"level": "error"}, 2)]
)
def test_entries_of_a_level_count_with_those_of_a_field(rule, count):
    lines = ['{"level":30,"msg":"x","err":{"code":"E"}}', '{"level":60,"msg":"y"}', '{"level":50,"msg":"z"}']
    assert scanned(lines, forbid=[{"name": "e", **rule}]).tallies["e"].count == count
