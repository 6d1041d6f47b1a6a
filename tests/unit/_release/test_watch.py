# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.filter.next_observation import next_observation
from ansible_collections.greenlight.release.plugins.module_utils._release import watch
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError, format_time
from ansible_collections.greenlight.release.plugins.modules import release_record_info

SWITCH = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)
OLD, NEW = "a" * 40, "b" * 40


def at(hours):
    return SWITCH + timedelta(hours=hours)


def observed(hours, **fields):
    return {"at": format_time(at(hours)), "cursor": {"taken": hours}, **fields}


def record(*observations, from_revision=OLD, to_revision=NEW, **fields):
    facts = {"cursor": {"taken": "switch"}, "known_kinds": {"critical_errors": ["k"]}}
    return {
        "from_revision": from_revision,
        "to_revision": to_revision,
        "switched_at": format_time(SWITCH),
        "facts": facts,
        "observations": list(observations),
        **fields,
    }


def test_now_is_the_given_time_or_the_clocks():
    assert watch.choose_moment("2026-02-19T02:00:00Z", lambda: at(5)) == SWITCH
    assert watch.choose_moment(None, lambda: at(5)) == watch.choose_moment("", lambda: at(5)) == at(5)


def test_another_text_than_a_time_is_refused():
    with pytest.raises(RecordError, match="now must be a time in UTC such as 2026-02-19T02:00:00Z, not 'soon'"):
        watch.choose_moment("soon", lambda: SWITCH)


@pytest.mark.parametrize(
    "observations, now, cursor, from_switch",
    [
        ([], 0.01, "switch", True),
        ([observed(0.1)], 1.0, "switch", True),
        ([observed(0.1)], 1.1, 0.1, False),
        ([observed(0.1), observed(1.1), observed(2.1)], 3.1, 2.1, False),
        # Judged every quarter of an hour, it still covers an hour.
        ([observed(0.1), observed(2), observed(2.25), observed(2.5), observed(2.75)], 3, 2, False),
        # An hour that was missed is read with the next one.
        ([observed(0.1), observed(1.1)], 5, 1.1, False),
        # The clock was set back: what lies in the future is passed over.
        ([observed(0.1), observed(9)], 2, 0.1, False),
        ([{"at": format_time(at(0.1))}], 3, "switch", True),
    ],
)
def test_the_log_is_read_from_an_observation_at_least_an_hour_old(observations, now, cursor, from_switch):
    since = watch.read_since(record(*observations), at(now))
    kinds = {"known_kinds": {"critical_errors": ["k"]}}
    assert since == {"cursor": {"taken": cursor}, **kinds, "from_switch": from_switch, "counted": {}, "own": {}}


def test_behind_a_gap_the_log_is_read_from_there_on():
    observations = [observed(5), observed(6, gap="lines are missing"), observed(6.2)]
    assert watch.read_since(record(*observations), at(6.4))["cursor"] == {"taken": 6}
    assert watch.read_since(record(*observations), at(7.3))["cursor"] == {"taken": 6.2}


def test_a_release_that_died_before_its_switch_has_no_cursor():
    since = watch.read_since(record(facts={}), SWITCH)
    assert since == {"cursor": None, "known_kinds": {}, "from_switch": True, "counted": {}, "own": {}}


def counted(hours, events=None, own=0, **fields):
    """Return an observation that had counted so many events since the switch, or could not read the log."""
    whole = {"since_switch": {"events": events, "samples": 100 * (events or 0)}, "own": [0, own]}
    return observed(hours, measurements={"error_rate": None if events is None else whole}, **fields)


@pytest.mark.parametrize(
    "observations, now, events, own",
    [
        ([], 0.5, None, None),
        ([counted(0.1, 1, own=5)], 0.5, None, 5),
        ([counted(0.1, 1, own=5)], 1.1, 1, None),
        ([counted(0.1, 1, own=5), counted(0.5, 2, own=6), counted(1.1, 4, own=7)], 1.2, 1, 13),
        # What an observation could not read is lost, and nothing else.
        ([counted(0.1, 1), counted(1.1), counted(2.1, 3, own=4)], 2.5, 1, 4),
        ([observed(0.1, measurements={"error_rate": 3.0})], 2, None, None),
    ],
)
def test_what_was_counted_before_is_kept_and_our_own_requests_since(observations, now, events, own):
    since = watch.read_since(record(*observations), at(now))
    wanted = {} if events is None else {"error_rate": {"events": events, "samples": 100 * events}}
    assert (since["counted"], since["own"]) == (wanted, {} if own is None else {"error_rate": [0, own]})


def test_requests_of_a_later_release_are_not_counted_for_the_one_before():
    observations = [counted(0.1, 1, own=5), counted(0.5, 2, own=5), counted(2.1, 3, own=6)]
    since = watch.read_since(record(*observations), at(2.5), rolled_back(2))
    assert (since["counted"]["error_rate"]["events"], since["own"]) == (2, {"error_rate": [0, 6]})


DOUBT = [{"name": "rate", "metric": "error_rate", "outcome": "unconfirmed"}]
PLAIN = [{"name": "slow", "metric": "response_time", "outcome": "unconfirmed"}]
SURE = [{"name": "rate", "metric": "error_rate", "outcome": "pass"}]


@pytest.mark.parametrize(
    "observations, rows, events",
    [
        ([], [], None),
        ([observed(0)], [], None),
        ([counted(0, 3, findings=DOUBT)], ["rate"], 3),
        ([counted(0, 3, findings=DOUBT), counted(1, 4, findings=SURE)], [], None),
        ([counted(0, findings=DOUBT)], ["rate"], None),
        ([observed(0, findings=PLAIN, measurements={"response_time": {"value": 9}})], ["slow"], None),
        ([observed(0, findings=PLAIN, measurements={"response_time": 9})], ["slow"], None),
    ],
)
def test_what_the_last_look_doubted_is_looked_at_again(observations, rows, events):
    wanted = {} if events is None else {"error_rate": {"events": events, "samples": 100 * events}}
    assert watch.doubted(record(*observations)) == {"rows": rows, "counted": wanted}


@pytest.mark.parametrize(
    "observations, look",
    [([], 1), ([observed(0), observed(1)], 3), ([observed(0, look=1), observed(9, look=250)], 251)],
)
def test_looks_are_counted_also_where_old_ones_were_dropped(observations, look):
    assert watch.next_look(record(*observations)) == look


def test_the_first_measurements_are_those_of_the_first_observation_with_any():
    observations = [observed(0.1), observed(0.2, measurements={"m": 1}), observed(1, measurements={"m": 2})]
    assert watch.first_measurements(record(*observations)) == {"m": 1}
    assert watch.first_measurements(record()) == {}


def before(*hours, to_revision=OLD):
    observations = [observed(hour, measurements={"m": hour}) for hour in hours]
    return record(*observations, from_revision="c" * 40, to_revision=to_revision)


@pytest.mark.parametrize(
    "earlier, now, expected",
    [
        ([before(-12, -11, -10)], 12, -12),
        ([before(-12.5, -11.8)], 12, -11.8),
        ([before(-12.8, -11.2)], 12, None),
        # Two days ago, because nothing was observed yesterday.
        ([before(-36)], 12, -36),
        ([before(-36, -12)], 12, -12),
        ([before(-8 * 24 + 12)], 12, None),
        ([before(-12, to_revision=NEW)], 12, None),
        ([record(observed(-12), to_revision=OLD)], 12, None),
        # In the first hour the baseline is fresh.
        ([before(-23.5)], 0.5, None),
        ([], 12, None),
    ],
)
def test_the_same_hour_of_an_earlier_day_is_found(earlier, now, expected):
    found = watch.same_hour([*earlier, record(observed(-12, measurements={"m": "mine"}))], at(now))
    wanted = None if expected is None else {"at": format_time(at(expected)), "measurements": {"m": expected}}
    assert found == wanted


def test_a_release_before_its_switch_has_no_same_hour():
    assert watch.same_hour([before(-12), record(switched_at=None)], at(12)) is None


def test_the_readings_of_all_releases_are_collected():
    first = record(observed(0, measurements={"rate": 80.5, "starts": True}), observed(1, decision="rollback"))
    second = record(observed(2, measurements={"rate": {"value": 81.5, "samples": 3}, "text": "x"}))
    assert watch.readings([first, second]) == {"rate": [80.5, 81.5]}


def test_what_a_rejected_release_wrote_is_not_known_because_of_that():
    facts = {"known_kinds": {"critical_errors": ["old"]}, "evidence": {"kinds": {"critical_errors": ["old", "bad"]}}}
    records = [
        record(status="rolled_back", facts=facts),
        record(status="failed", facts={"evidence": {"kinds": {"critical_errors": ["worse"], "new_warnings": []}}}),
        record(status="failed", facts={}),
        record(status="aborted", facts=facts),
    ]
    assert watch.rejected_kinds(records) == {"critical_errors": ["bad", "worse"], "new_warnings": []}


@pytest.mark.parametrize("status", ["watching", "healthy"])
def test_what_was_rejected_is_forgotten_after_a_release_that_was_kept(status):
    facts = {"evidence": {"kinds": {"critical_errors": ["bad"]}}}
    records = [record(status="rolled_back", facts=facts), record(status=status, facts={})]
    assert watch.rejected_kinds(records) == {}
    assert watch.rejected_kinds(records[::-1]) == {"critical_errors": ["bad"]}


@pytest.mark.parametrize(
    "fields, hours, is_read_from_it",
    [
        ({"status": "rolled_back"}, 24, True),
        ({"status": "failed"}, 1, True),
        ({"status": "rolled_back"}, 24.1, False),
        ({"status": "healthy"}, 1, False),
        ({"status": "rolled_back", "facts": {}}, 1, False),
    ],
)
def test_after_a_rollback_a_baseline_begins_with_it(fields, hours, is_read_from_it):
    facts = {"cursor_after": {"taken": "after"}, "known_kinds": {"critical_errors": ["k"]}}
    since = watch.baseline_since(record(**{"facts": facts, "closed_at": format_time(SWITCH), **fields}), at(hours))
    assert since == ({"cursor": {"taken": "after"}, "known_kinds": facts["known_kinds"]} if is_read_from_it else {})


def test_a_host_without_a_release_has_nothing_to_tell(tmp_path):
    reported = watch.describe(tmp_path, [], SWITCH)
    assert {key: reported[key] for key in ("exists", "record", "file", "age", "watch", "lock", "died", "releases")} == {
        "exists": False,
        "record": None,
        "file": "",
        "age": None,
        "watch": None,
        "lock": "",
        "died": False,
        "releases": [],
    }


@pytest.mark.parametrize(
    "status, now, watch_open, lock, died",
    [("watching", 1, True, "", False), ("in_progress", 1, False, "is held by alice", True)],
)
def test_the_newest_release_is_described(tmp_path, status, now, watch_open, lock, died):
    held = {"run_id": "r", "by": "alice", "since": format_time(SWITCH), "until": format_time(SWITCH)}
    summary = {"id": "x", "stage": "switched", "opened_at": "", "closed_at": None, "decision": None, "reason": ""}
    newest = record(status=status, lock=held if status == "in_progress" else None, **summary)
    reported = watch.describe(tmp_path, [newest], at(now))
    assert (reported["watch_open"], reported["died"], reported["age"]) == (watch_open, died, 3600 * now)
    assert (lock in reported["lock"], reported["file"]) == (True, f"{tmp_path}/releases/x.json")
    assert reported["releases"][0]["to_revision"] == NEW
    assert sorted(reported["watch"]) == sorted(yaml.safe_load(release_record_info.RETURN)["watch"]["contains"])


@pytest.mark.parametrize(
    "counts, expected",
    [
        ([], None),
        ([None], None),
        ([3], {"total": 0, "last": 3}),
        ([3, None, 5], {"total": 2, "last": 5}),
        ([3, 1, 2], {"total": 2, "last": 2}),
    ],
)
def test_restarts_are_counted_also_when_a_new_daemon_began_at_nothing(counts, expected):
    observations = [{"measurements": {} if count is None else {"restart_count": count}} for count in counts]
    assert watch.restarts({"observations": observations}) == expected


def test_a_release_that_was_aborted_hides_neither_the_one_before_it_nor_its_watch(tmp_path):
    releases = [
        {**record(observed(1)), **dict.fromkeys(watch._SUMMARY, ""), "id": str(number), "status": status}
        for number, status in enumerate(["healthy", "watching", "aborted", "aborted"])
    ]
    reported = watch.describe(tmp_path, releases, at(3))
    assert (reported["record"]["id"], reported["watch_open"], reported["watch"]["since"]["cursor"]) == (
        "1",
        True,
        {"taken": 1},
    )
    assert [release["id"] for release in reported["releases"]] == ["0", "1", "2", "3"]
    assert watch.describe(tmp_path, releases[2:], at(3))["record"]["id"] == "3"


@pytest.mark.parametrize(
    "now, interval, age, seconds",
    [
        (1000.0, 3600, 10, 3600),
        (1000.2, 3600, 10, 3601),
        (1000.0, 3600, 86000, 400),
        (1000.0, 3600, 86400, 1),
        (1000.0, 3600, 90000, 1),
        (1000.0, 0, 10, 1),
    ],
)
def test_the_next_observation_is_after_the_interval_or_at_the_end_of_the_watch_and_never_early(
    now, interval, age, seconds
):
    decision = {"age": age, "watch_seconds": 86400}
    assert next_observation(decision, str(interval), str(now)) == 1000 + seconds


def rolled_back(hours, cursor="after", **facts):
    """Return a later release that was rolled back to the one of `record`."""
    known = {"cursor_after": {"taken": cursor}} if cursor else {}
    closed = format_time(at(hours))
    return record(
        from_revision=NEW, to_revision="d" * 40, status="rolled_back", closed_at=closed, facts={**known, **facts}
    )


@pytest.mark.parametrize(
    "observations, rollback, cursor, counters",
    [
        # What the release that was rolled back wrote is not counted against the one before it.
        ([observed(0.1), observed(1)], rolled_back(2), "after", {"counters": {}}),
        ([observed(0.1), observed(2.1)], rolled_back(2), "after", {}),
        ([observed(0.1), observed(2.1)], rolled_back(1.9), 2.1, {}),
        # Nobody could mark the log.
        ([observed(0.1), observed(1)], rolled_back(2, cursor=""), 1, {}),
        ([observed(0.1), observed(1)], None, 1, {}),
    ],
)
def test_a_watch_begins_anew_after_the_rollback_of_a_later_release(observations, rollback, cursor, counters):
    since = watch.read_since(record(*observations), at(3.1 if cursor == 2.1 else 3), rollback)
    kinds = {"known_kinds": {"critical_errors": ["k"]}}
    assert since == {"cursor": {"taken": cursor}, **kinds, "from_switch": False, "counted": {}, "own": {}, **counters}


@pytest.mark.parametrize(
    "hours, rollback, expected",
    [
        ({0.1: 3, 1: 4}, rolled_back(2, restart_count=9), {"total": 1, "last": 9}),
        ({0.1: 3, 1: 4, 3: 10}, rolled_back(2, restart_count=9), {"total": 2, "last": 10}),
        ({0.1: 3, 1: 4}, rolled_back(2), {"total": 1, "last": None}),
        ({0.1: 3, 1: 4, 3: 10, 4: 11}, rolled_back(2), {"total": 2, "last": 11}),
        ({}, rolled_back(2, restart_count=9), None),
    ],
)
def test_restarts_of_a_later_release_are_not_those_of_the_one_before_it(hours, rollback, expected):
    observations = [observed(hour, measurements={"restart_count": count}) for hour, count in hours.items()]
    assert watch.restarts(record(*observations), rollback) == expected


def test_restarts_that_an_adjustment_made_are_not_counted_after_a_rollback_either():
    watched = record(observed(1, measurements={"restart_count": 4}), facts={"own_restarts": 2})
    assert watch.restarts(watched, rolled_back(2, restart_count=9)) == {"total": 0, "last": 7}


def described(tmp_path, releases, standing):
    return watch.describe(tmp_path, releases, at(3), standing)


def releases_of(*records):
    ids = [{**dict.fromkeys(watch._SUMMARY, ""), "id": str(number)} for number in range(len(records))]
    return [{**known, **each} for known, each in zip(ids, records)]


def test_the_watch_of_a_release_goes_on_when_a_later_one_was_rolled_back(tmp_path):
    watched = record(observed(1), status="watching")
    releases = releases_of(watched, rolled_back(1.5), record(status="aborted"), rolled_back(2, cursor="second"))
    newest, standing = described(tmp_path, releases, False), described(tmp_path, releases, True)
    assert (newest["record"]["id"], newest["watch_open"]) == ("3", False)
    assert (standing["record"]["id"], standing["watch_open"]) == ("0", True)
    assert standing["watch"]["since"]["cursor"] == {"taken": "second"}
    assert (standing["lock"], standing["died"], standing["file"]) == ("", False, f"{tmp_path}/releases/0.json")


@pytest.mark.parametrize("status", ["watching", "healthy", "healthy_with_findings"])
def test_the_releases_that_restarted_nothing_are_known(tmp_path, status):
    facts = {"cursor": {}, "known_kinds": {}, "restart_app": False}
    ends = {"from_revision": OLD, "to_revision": NEW}
    releases = releases_of(
        record(status="healthy", facts={**facts, "restart_app": True}),
        record(status="rolled_back", facts=facts),
        {**record(status=status, facts=facts), **ends},
    )
    assert described(tmp_path, releases, False)["unrestarted"] == [[OLD, NEW]]
