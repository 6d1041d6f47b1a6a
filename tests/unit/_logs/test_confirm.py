# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import check as logs_check
from ansible_collections.greenlight.release.plugins.module_utils._logs import confirm, marks
from ansible_collections.greenlight.release.plugins.module_utils._logs import rules as logs_rules
from ansible_collections.greenlight.release.plugins.module_utils._logs import scan as logs_scan

NOW = 1771466400.0
HOW = {"events": 40, "samples": 40_000, "line": 50, "floor": 0.05, "within": 120}


def lines(failed, good):
    return "r 500\n" * failed + "r 200\n" * good


class World:
    """A clock that only sleeping moves; every sleep appends to a log what comes next."""

    def __init__(self, path, *coming):
        self.path, self.coming, self.now = path, list(coming), 0.0
        self.time = logs_check.Time(lambda: NOW + self.now, lambda: self.now, self.sleep)

    def sleep(self, seconds):
        self.now += seconds
        with self.path.open("a") as file:
            file.write(self.coming.pop(0) if self.coming else "")


def read(path, *coming, first="", how=None, wait=0.0):
    """Return what a rate was measured as, and how long that took."""
    path.write_text("")
    cursor, world = marks.make_cursor([marks.mark_file(path, "out", NOW)], NOW), World(path, *coming)
    path.write_text(first)
    rates = logs_rules.parse_rates({"rate": {"count": "500", "of": "r "}})
    scan, looks = logs_scan.Scan(logs_rules.Rules(rates=rates), {}), confirm.parse_second_looks({"rate": how or HOW})
    reading = logs_check.begin([(str(path), "out")], cursor, 0, NOW)
    reading = logs_check.read(scan, reading, wait, False, world.time, looks)
    described = logs_check.describe(scan, reading, NOW, False, NOW + world.now, looks)
    return described["measurements"].get("rate", {}), world.now


def test_a_rate_that_is_no_worse_is_looked_at_once(tmp_path):
    for first in ("", lines(0, 100), lines(1, 99)):
        rate, seconds = read(tmp_path / "log", first=first)
        assert (rate.get("fresh"), seconds) == (None, 0)


def test_a_rate_that_is_worse_is_read_on_for_until_it_has_some_more_events(tmp_path):
    # At 20 in a hundred, five more take twenty-five lines.
    rate, seconds = read(tmp_path / "log", lines(2, 8), lines(4, 16), lines(9, 9), first=lines(20, 80))
    assert (rate["fresh"], seconds) == ({"events": 6, "samples": 30}, 1.0)
    assert (rate["events"], rate["samples"]) == (26, 130)


def test_what_is_over_is_seen_to_be_over(tmp_path):
    rate, _seconds = read(tmp_path / "log", lines(0, 30), first=lines(20, 80))
    assert rate["fresh"] == {"events": 0, "samples": 30}


def test_nobody_waits_longer_than_that(tmp_path):
    rate, seconds = read(tmp_path / "log", first=lines(20, 80), how={**HOW, "within": 3}, wait=1)
    assert (rate["fresh"], seconds) == ({"events": 0, "samples": 0}, 3.0)


def test_a_rate_that_nobody_counts_is_not_waited_for(tmp_path):
    scan = logs_scan.Scan(logs_rules.Rules(), {})
    looks = confirm.parse_second_looks({"other": HOW})
    assert (confirm.begin(looks, scan), confirm.is_waiting(looks, scan), confirm.fresh(looks, scan)) == (0.0, False, {})


@pytest.mark.parametrize(
    "how, message",
    [
        ("2m", "confirm rate needs events, samples, line, floor, within"),
        ({"within": 3}, "confirm rate needs events"),
        ({**HOW, "more": 1}, "confirm rate needs events"),
        ({**HOW, "line": "much"}, "confirm rate: line must be a number, not 'much'"),
        ({**HOW, "within": -1}, "confirm rate: within must be a number of at least 0"),
    ],
)
def test_a_wrong_second_look_is_refused(how, message):
    with pytest.raises(logs_rules.LogError, match=message):
        confirm.parse_second_looks({"rate": how})
