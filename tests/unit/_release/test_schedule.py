# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.filter.allowed_now import allowed_now
from ansible_collections.greenlight.release.plugins.module_utils._release import schedule
from zoneinfo import ZoneInfo

BERLIN, UTC, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC"), ZoneInfo("Asia/Kolkata")
HOLIDAYS = {"from": "2026-12-20", "to": "2027-01-05", "reason": "the shop sells"}


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def judge(hours, now, zone=UTC, freeze=()):
    return schedule.judge(schedule.parse_windows(hours), schedule.parse_freezes(freeze), zone, utc(now))


# 2026-02-19 is a Thursday.
@pytest.mark.parametrize(
    "hours, now, allowed",
    [
        ("", "2026-02-19 14:00", True),
        ("  ", "2026-02-19 14:00", True),
        ("02:00-04:00", "2026-02-19 01:59:59", False),
        ("02:00-04:00", "2026-02-19 02:00", True),
        ("02:00-04:00", "2026-02-19 03:59:59", True),
        ("02:00-04:00", "2026-02-19 04:00", False),
        ("02:00-04:00, 13:00-15:00", "2026-02-19 14:00", True),
        ("22:00-02:00", "2026-02-19 23:00", True),
        ("22:00-02:00", "2026-02-19 01:59", True),
        ("22:00-02:00", "2026-02-19 02:00", False),
        ("22:00-00:00", "2026-02-19 23:59", True),
        ("22:00-00:00", "2026-02-19 00:00", False),
        ("22:00-24:00", "2026-02-19 23:59", True),
        ("00:00-24:00", "2026-02-19 00:00", True),
        ("Mon-Fri 02:00-04:00", "2026-02-19 03:00", True),
        ("Mon-Fri 02:00-04:00", "2026-02-21 03:00", False),
        ("sat 02:00-04:00", "2026-02-21 03:00", True),
        ("Sat 02:00-04:00", "2026-02-19 03:00", False),
        ("Fri-Mon 02:00-04:00", "2026-02-23 03:00", True),
        ("Fri-Mon 02:00-04:00", "2026-02-19 03:00", False),
        ("Fri 22:00-02:00", "2026-02-21 01:00", True),
        ("Fri 22:00-02:00", "2026-02-20 01:00", False),
        ("Sun 22:00-02:00", "2026-02-23 01:00", True),
    ],
)
def test_hours_of_the_week(hours, now, allowed):
    assert judge(hours, now).allowed is allowed


@pytest.mark.parametrize(
    "hours, zone, now, allowed, why",
    [
        ("02:00-04:00", BERLIN, "2026-02-19 01:30", True, "it is 02:30 there"),
        ("02:00-04:00", KOLKATA, "2026-02-18 21:00", True, "it is 02:30 on the next day there"),
        ("Thu 02:00-04:00", KOLKATA, "2026-02-18 21:00", True, "there it is Thursday"),
        ("02:30-02:45", BERLIN, "2026-03-29 00:59", False, "01:59, the last minute before the clocks go forward"),
        ("02:30-02:45", BERLIN, "2026-03-29 01:00", False, "03:00, as that quarter is left out"),
        ("02:30-04:00", BERLIN, "2026-03-29 01:00", True, "03:00, in the midst of it"),
        ("02:30-02:45", BERLIN, "2026-10-25 00:30", True, "02:30 for the first time"),
        ("02:30-02:45", BERLIN, "2026-10-25 01:30", True, "02:30 for the second time"),
        ("01:00-02:30", BERLIN, "2026-10-25 00:40", False, "02:40 for the first time"),
        ("01:00-02:30", BERLIN, "2026-10-25 01:10", True, "02:10 for the second time"),
    ],
)
def test_hours_are_those_of_a_clock_on_the_wall(hours, zone, now, allowed, why):
    assert (judge(hours, now, zone).allowed, why) == (allowed, why)


@pytest.mark.parametrize(
    "hours, zone, now, next_at",
    [
        ("02:00-04:00", UTC, "2026-02-19 14:05:30", "2026-02-20T02:00:00+00:00"),
        ("02:00-04:00", UTC, "2026-02-19 01:59:59", "2026-02-19T02:00:00+00:00"),
        ("02:00-04:00", BERLIN, "2026-02-19 14:05", "2026-02-20T02:00:00+01:00"),
        ("Mon 02:00-04:00", UTC, "2026-02-23 04:00", "2026-03-02T02:00:00+00:00"),
        ("02:30-02:45", BERLIN, "2026-03-28 12:00", "2026-03-30T02:30:00+02:00"),
        ("02:30-04:00", BERLIN, "2026-03-28 12:00", "2026-03-29T03:00:00+02:00"),
        ("01:00-02:30", BERLIN, "2026-10-25 00:40", "2026-10-25T02:00:00+01:00"),
    ],
)
def test_the_next_window_is_the_first_minute_that_is_allowed(hours, zone, now, next_at):
    assert judge(hours, now, zone).next_at.isoformat() == next_at


@pytest.mark.parametrize(
    "freeze, now, allowed",
    [
        (HOLIDAYS, "2026-12-19 23:59", True),
        (HOLIDAYS, "2026-12-20 00:00", False),
        (HOLIDAYS, "2027-01-05 23:59", False),
        (HOLIDAYS, "2027-01-06 00:00", True),
        ({"from": date(2026, 12, 20), "to": date(2026, 12, 20)}, "2026-12-20 12:00", False),
        ({"from": datetime(2026, 12, 20, 18), "to": "2026-12-21"}, "2026-12-20 17:59", True),
        ({"from": "2026-12-20 18:00", "to": "2026-12-20T19:00"}, "2026-12-20 18:59", False),
        ({"from": "2026-12-20 18:00", "to": "2026-12-20T19:00"}, "2026-12-20 19:00", True),
    ],
)
def test_nothing_is_released_in_a_freeze(freeze, now, allowed):
    assert judge("", now, UTC, [freeze]).allowed is allowed


@pytest.mark.parametrize(
    "freezes, next_at",
    [
        ([HOLIDAYS], "2027-01-06T02:00:00+01:00"),
        ([HOLIDAYS, {"from": "2026-12-31", "to": "2027-01-09"}], "2027-01-10T02:00:00+01:00"),
        ([HOLIDAYS, {"from": "2027-01-06 03:00", "to": "2027-01-09"}], "2027-01-06T02:00:00+01:00"),
        ([{"from": "2026-12-01", "to": "2027-03-28 02:30"}], "2027-03-28T03:00:00+02:00"),
    ],
)
def test_the_next_window_is_after_the_freeze(freezes, next_at):
    assert judge("02:00-04:00", "2026-12-22 12:00", BERLIN, freezes).next_at.isoformat() == next_at


def test_of_two_freezes_the_one_that_ends_last_gives_the_reason():
    more = {"from": "2026-12-21", "to": "2027-01-09", "reason": "stock is taken"}
    assert "frozen: stock is taken" in judge("", "2026-12-22 12:00", UTC, [HOLIDAYS, more, HOLIDAYS]).reason


@pytest.mark.parametrize(
    "freezes", [[{"from": "2026-01-01", "to": "9000-01-01"}], [{"from": "2026-12-01", "to": "2029-12-01"}]]
)
def test_a_search_ends_where_no_window_comes(freezes):
    assert judge("02:00-04:00", "2026-12-22 12:00", UTC, freezes).next_at is None


def test_a_search_ends_where_every_window_is_frozen():
    mondays = [{"from": f"2026-{month:02}-{day:02}", "to": f"2026-{month:02}-{day:02}"} for month, day in MONDAYS]
    assert judge("Mon 02:00-04:00", "2026-05-01 12:00", UTC, mondays).next_at is None


MONDAYS = [(5, 4), (5, 11), (5, 18), (5, 25), (6, 1), (6, 8), (6, 15), (6, 22), (6, 29), (7, 6), (7, 13)]


@pytest.mark.parametrize(
    "verdict, sentence",
    [
        (schedule.Permission(True), ""),
        (
            judge("02:00-04:00", "2026-02-19 14:05", BERLIN),
            "it is Thu 2026-02-19 15:05 in Europe/Berlin, outside of the allowed hours; "
            "a release may begin at Fri 2026-02-20 02:00 (2026-02-20T01:00Z)",
        ),
        (
            judge("", "2026-12-22 12:00", UTC, [HOLIDAYS]),
            "it is Tue 2026-12-22 12:00 in UTC, and releases are frozen: the shop sells; "
            "a release may begin at Wed 2027-01-06 00:00 (2027-01-06T00:00Z)",
        ),
        (
            schedule.Permission(False, "it is late"),
            "it is late; no time to release in was found in the next two months without a freeze",
        ),
    ],
)
def test_a_verdict_is_one_sentence(verdict, sentence):
    assert schedule.describe(verdict) == sentence


@pytest.mark.parametrize(
    "hours, problem",
    [
        (7200, "must be a text such as '02:00-04:00', not 7200"),
        (None, "must be a text such as"),
        ("2-4", "in which 2 is no time from 00:00 to 24:00"),
        ("02:00", "has '02:00'; write hours such as"),
        ("02:00-04:00,", "has ''; write hours such as"),
        ("02:00-25:00", "in which 25:00 is no time"),
        ("02:00-04:60", "in which 04:60 is no time"),
        ("02:00-02:00", "which is no time;"),
        ("24:00-02:00", "which is no time;"),
        ("Foo 02:00-04:00", "in which Foo is none of Mon, Tue"),
        ("Mon-Bar 02:00-04:00", "in which Bar is none of Mon, Tue"),
        ("Mon,Tue 02:00-04:00", "has 'Mon'; write hours such as"),
    ],
)
def test_wrong_hours_are_refused(hours, problem):
    with pytest.raises(schedule.ScheduleError) as refused:
        schedule.parse_windows(hours)
    assert problem in str(refused.value)


@pytest.mark.parametrize(
    "freeze, problem",
    [
        ("2026-12-20", "greenlight_freeze must be a list"),
        ({"from": "x"}, "greenlight_freeze must be a list"),
        (["2026-12-20"], "greenlight_freeze[0] must be a mapping with from, to and reason"),
        ([HOLIDAYS, {"from": "2026-12-20"}], "greenlight_freeze[1] must be a mapping with from, to and reason"),
        ([{**HOLIDAYS, "until": 1}], "and nothing else"),
        ([{**HOLIDAYS, "from": "20.12.2026"}], "greenlight_freeze[0].from must be a date such as 2026-12-20"),
        ([{**HOLIDAYS, "to": "2026-13-01"}], "greenlight_freeze[0].to must be a date such as 2026-12-20"),
        ([{**HOLIDAYS, "to": "9999-12-31"}], "greenlight_freeze[0].to must be a date such as 2026-12-20"),
        # Python reads these as midnight, so that the last day would not be frozen.
        ([{**HOLIDAYS, "to": 21001231}], "greenlight_freeze[0].to must be a date such as 2026-12-20"),
        ([{**HOLIDAYS, "to": "2100-W52-1"}], "greenlight_freeze[0].to must be a date such as 2026-12-20"),
        ([{**HOLIDAYS, "to": "2026-12-24T10:00+01:00"}], "must have no time zone of its own"),
        (
            [{**HOLIDAYS, "to": "2026-12-01"}],
            "[0] ends before it begins: from 2026-12-20 to 2026-12-01",
        ),
    ],
)
def test_a_wrong_freeze_is_refused(freeze, problem):
    with pytest.raises(schedule.ScheduleError) as refused:
        schedule.parse_freezes(freeze)
    assert problem in str(refused.value)


def test_the_filter_says_when_a_release_may_begin():
    verdict = allowed_now("02:00-04:00", "Europe/Berlin", [], "2026-02-19T14:05:00Z")
    assert (verdict["allowed"], verdict["next_at"]) == (False, "2026-02-20T02:00:00+01:00")
    assert "outside of the allowed hours" in verdict["reason"]
    assert allowed_now("", now="2026-02-19T14:05:00Z") == {"allowed": True, "reason": "", "next_at": ""}


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../etc/passwd", "Europe", "", None, "a\0b"])
def test_the_filter_refuses_a_zone_that_is_not_known(zone):
    with pytest.raises(AnsibleFilterError, match="The controller knows no time zone .*; set greenlight_time_zone"):
        allowed_now("02:00-04:00", zone)


def test_the_filter_refuses_a_wrong_time():
    with pytest.raises(AnsibleFilterError, match="now must be a time in UTC"):
        allowed_now("02:00-04:00", "UTC", [], "today")
