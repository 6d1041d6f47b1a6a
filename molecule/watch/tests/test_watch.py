# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime

import host as sample
import pytest


@pytest.fixture(scope="module")
def records(host):
    return sample.records(host)


def hours_of(record):
    """Return the hours after the switch at which a release was observed."""
    times = [datetime.fromisoformat(each["at"][:-1]) for each in record["observations"]]
    switched = datetime.fromisoformat(record["switched_at"][:-1])
    return [round((time - switched).total_seconds() / 3600) for time in times]


def outcomes(record, metric):
    return [
        finding["outcome"]
        for each in record["observations"]
        for finding in each.get("findings", [])
        if (finding["name"], finding["due"]) == metric
    ]


def test_every_observation_is_on_record_whatever_the_clock_said(records):
    assert hours_of(records[0])[:4] == [0, 1, 3, 2]


def test_the_row_of_the_first_hour_is_judged_from_then_on(records):
    first = records[0]
    assert outcomes(first, ("cache_hit_rate_1h", "1h"))[:4] == ["not_due", "pass", "pass", "pass"]
    assert set(outcomes(first, ("cache_hit_rate_24h", "24h"))) == {"not_due"}


def test_a_process_that_ended_and_was_started_again_is_reported(records):
    found = [
        finding for each in records[0]["observations"] for finding in each["findings"] if finding["name"] == "restarts"
    ]
    assert [(finding["outcome"], finding["value"]) for finding in found[:4]] == [
        ("pass", 0),
        ("pass", 0),
        ("miss", 1),
        ("miss", 1),
    ]


def test_a_fault_of_the_twentieth_hour_rolls_the_release_back(records):
    first = records[0]
    assert (first["status"], first["decision"], first["lock"]) == ("rolled_back", "rollback", None)
    assert first["observations"][4]["age"] == 20 * 3600
    assert "critical_errors" in first["reason"]
    assert len(first["observations"]) == 5


def test_a_late_rollback_keeps_what_users_wrote(host, records):
    first = records[0]
    traffic = sample.read_json(host, "cat /srv/sample-app-data/traffic.json")
    assert first["facts"]["databases"][0]["restored"]["restored"] is False
    assert int(sample.query(host, "SELECT count(*) FROM items")) >= 20000 + traffic["acknowledged"] > 20000


def test_a_release_past_its_last_row_is_closed_as_healthy(records):
    second = records[1]
    assert (second["status"], second["decision"]) == ("healthy_with_findings", "adjust")
    assert outcomes(second, ("cache_hit_rate_24h", "24h"))[-2:] == ["not_due", "pass"]


def test_staying_until_the_watch_ends_makes_an_observation_every_time(records):
    assert [each["age"] // 3600 for each in records[1]["observations"] if "age" in each][-3:] == [8, 16, 24]


def test_an_adjustment_that_made_things_worse_is_undone(host, records):
    # What lives for a second is seldom asked for again in time, so the next hit rate is lower.
    made = [(each["from"], each["to"], each["taken_back"]) for each in records[1]["facts"]["adjustments"]]
    assert made == [("30", "1", False), ("1", "30", True)]
    notes = records[1]["observations"][-2]["adjustment_notes"]
    assert notes == ["CACHE_TTL_SECONDS stays: changing it made things worse before"]
    pid = sample.process(host)["pid"]
    environment = host.check_output(f"sudo -u sample cat /proc/{pid}/environ").split("\0")
    assert "CACHE_TTL_SECONDS=30" in environment


def test_a_release_is_compared_with_the_same_hour_of_the_day_before(records):
    kept, compared = records[1]["observations"][-1], records[2]["observations"][-1]
    assert "decision" not in kept
    assert compared["baseline_at"] == kept["at"]
    found = {finding["name"]: finding for finding in compared["findings"]}
    assert found["response_time"]["baseline"] == kept["measurements"]["response_time"]["value"]
