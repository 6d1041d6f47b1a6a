# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import host as sample
import pytest

UP, DOWN = "200", "000"
FORWARD = [("drain", UP), ("before_switch", UP), ("migrate", DOWN), ("after_switch", UP), ("undrain", UP)]
# The app is down after a switch that failed before its start.
HOOKS = {
    "better": [("forward", *each) for each in FORWARD],
    "degraded": [
        *(("forward", *each) for each in FORWARD[:2]),
        ("back", "before_rollback", DOWN),
        ("back", "after_rollback", UP),
        ("back", "undrain", UP),
    ],
    "crash-at-load": [*(("forward", *each) for each in FORWARD[:3]), ("back", "before_rollback", DOWN)],
    "slower": [("forward", "drain", UP), ("back", "undrain", UP)],
}
STATUS = {"better": "watching", "degraded": "rolled_back", "crash-at-load": "rolled_back", "slower": "aborted"}
# Without traffic nothing is decided, which is told to nobody.
EVENTS = {
    "better": ["start", "success"],
    "degraded": ["start", "rollback"],
    "crash-at-load": ["start", "failed_rollback"],
    "slower": ["start", "rollback"],
}


def release(host, revision):
    """Return the record of the release of a revision."""
    sha = sample.revision(host, revision)
    return next(record for record in sample.records(host) if record["to_revision"] == sha)


def notifications(host, path):
    lines = host.check_output("cat /srv/sample-app-data/notifications.jsonl").splitlines()
    return [each["sent"] for each in map(json.loads, lines) if each["path"] == path]


@pytest.mark.parametrize("revision", HOOKS)
def test_the_hooks_ran_in_their_order_and_at_their_moment(host, revision):
    record = release(host, revision)
    lines = [line.split() for line in host.check_output("cat /srv/sample-app-data/hooks.log").splitlines()]
    ran = [line for line in lines if line[0] == record["id"]]
    assert [(line[1], line[2], line[5]) for line in ran] == HOOKS[revision]
    assert {tuple(line[3:5]) for line in ran} == {(record["from_revision"], record["to_revision"])}


@pytest.mark.parametrize("revision", STATUS)
def test_the_record_says_how_the_release_ended_and_holds_no_lock(host, revision):
    record = release(host, revision)
    assert (record["status"], record["lock"]) == (STATUS[revision], None)
    assert "the test freezes" in record["facts"]["ignored_hours"]


def test_what_was_refused_left_no_record_and_ran_no_hook(host):
    assert len(sample.records(host)) == len(HOOKS)


@pytest.mark.parametrize("revision", EVENTS)
def test_the_receiver_got_every_event_though_others_hung_or_were_down(host, revision):
    record = release(host, revision)
    sent = [each for each in notifications(host, "/all") if each["release_id"] == record["id"]]
    assert [each["event"] for each in sent] == EVENTS[revision]
    assert {each["host"] for each in sent} == {"greenlight-hooks"}
    assert {each["to_revision"] for each in sent} == {record["to_revision"]}


def test_the_reason_of_a_rollback_is_sent(host):
    reasons = [each["reason"] for each in notifications(host, "/all") if "rollback" in each["event"]]
    assert [next(word for word in ("migrate", "after_rollback", "drain") if word in each) for each in reasons] == [
        "migrate",
        "after_rollback",
        "drain",
    ]


def test_each_service_got_its_own_events_only(host):
    assert [each["event"] for each in notifications(host, "/hang")] == ["start"] * 4
    assert len(notifications(host, "/slack")) == 2


def test_the_good_revision_runs(host):
    better = sample.revision(host, "better")
    assert sample.read_json(host, "curl -s http://127.0.0.1:3000/health") == {"status": "ok", "revision": better}
