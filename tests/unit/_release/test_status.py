# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.filter.release_status import release_status
from ansible_collections.greenlight.release.plugins.module_utils._release import status as release_status_module

OLD, NEW, BAD = "a" * 40, "b" * 40, "c" * 40
NOW = datetime(2026, 2, 19, 3, tzinfo=timezone.utc)
LOCK = {"run_id": "1", "by": "alice", "since": "2026-02-19T02:00:00Z", "until": "2026-02-19T03:10:00Z"}
NO_RELEASE = {
    "host": "web1",
    "state": "no release",
    "problem": "",
    "app": None,
    "release": None,
    "revision": None,
    "stage": None,
    "decision": None,
    "reason": None,
    "opened_at": None,
    "watch_until": None,
    "watch_seconds_left": None,
    "lock": None,
    "rejected": {},
    "up": None,
    "ports": [],
    "down_because": "",
    "next": "",
    "databases": None,
    "backup": None,
    "off_host": None,
    "off_host_problem": "",
    "drill": None,
}
VERIFY = "ansible-playbook greenlight.release.verify, every hour"
DEPLOY = "ansible-playbook greenlight.release.deploy"


def found(status, stage="switched", rejected=(), **more):
    record = {
        "id": "20260219T020000Z-bbbbbbbb",
        "app": "shop",
        "status": status,
        "stage": stage,
        "from_revision": OLD,
        "to_revision": NEW,
        "opened_at": "2026-02-19T02:00:00Z",
        "watch_until": None,
        "decision": None,
        "reason": "",
        "lock": None,
    }
    return {"exists": True, "record": {**record, **more}, "rejected": dict.fromkeys(rejected, "r")}


def describe(result):
    return release_status_module.describe_host("web1", result, NOW)


def line(result):
    """Return the cells of a host's line in the table."""
    table = release_status_module.render_table([describe(result)])
    starts = [0] + [at + 2 for at in range(len(table[1])) if table[1][at : at + 2] == "  "]
    return [table[2][start:end].strip() for start, end in zip(starts, [*starts[1:], None])]


@pytest.mark.parametrize(
    "result, state, problem",
    [
        ({"exists": False, "record": None, "rejected": {}}, "no release", ""),
        ({"unreachable": True, "msg": "Failed to connect"}, "unreachable", "Failed to connect"),
        ({"failed": True, "msg": "x.json is not a release record"}, "unknown", "x.json is not a release record"),
        ({"failed": True}, "unknown", "nothing was read"),
        (None, "unknown", "nothing was read"),
    ],
)
def test_a_host_of_which_nothing_is_known_has_a_row_that_says_why(result, state, problem):
    expected = {**NO_RELEASE, "state": state, "problem": problem, "next": DEPLOY if state == "no release" else ""}
    assert describe(result) == expected


def test_a_watched_release_has_every_fact():
    result = found("watching", rejected=[BAD], decision="monitor", reason="x", watch_until="2026-02-19T04:30:00Z")
    assert describe(result) == {
        **NO_RELEASE,
        "app": "shop",
        "state": "watching",
        "stage": "switched",
        "release": "20260219T020000Z-bbbbbbbb",
        "revision": NEW,
        "decision": "monitor",
        "reason": "x",
        "opened_at": "2026-02-19T02:00:00Z",
        "watch_until": "2026-02-19T04:30:00Z",
        "watch_seconds_left": 5400,
        "rejected": {BAD: "r"},
        "next": "ansible-playbook greenlight.release.verify, every hour",
    }


@pytest.mark.parametrize(
    "status, stage, revision",
    [
        ("watching", "switched", NEW),
        ("healthy", "switched", NEW),
        ("rolled_back", "rolling_back", OLD),
        ("failed", "rolling_back", OLD),
        ("aborted", "opened", OLD),
        ("in_progress", "opened", OLD),
        ("in_progress", "backed_up", OLD),
        ("in_progress", "switching", None),
        ("in_progress", "switched", NEW),
        ("in_progress", "rolling_back", None),
    ],
)
def test_the_revision_is_the_one_in_place(status, stage, revision):
    assert describe(found(status, stage))["revision"] == revision


@pytest.mark.parametrize("facts, revision", [({"as_found": {"revision": "c" * 40}}, "c" * 40), ({}, None)])
def test_the_revision_of_a_release_that_a_person_closed_is_the_one_that_was_found(facts, revision):
    closed = {"status": "closed_as_is", "to_revision": NEW, "facts": facts}
    assert release_status_module.revision_in_place(closed) == revision


@pytest.mark.parametrize(
    "status, stage, facts, revision",
    [
        ("closed_as_is", "switched", {}, NEW),
        ("closed_as_is", "switched", {"as_found": {"revision": OLD}}, OLD),
        ("rolled_back", "rolling_back", {}, None),
        ("aborted", "opened", {}, None),
        ("in_progress", "opened", {}, None),
        ("in_progress", "switched", {}, NEW),
    ],
)
def test_a_first_release_is_in_place_or_nothing_is(status, stage, facts, revision):
    first = {"status": status, "stage": stage, "from_revision": NEW, "to_revision": NEW}
    first["facts"] = {"first": True, **facts}
    assert release_status_module.revision_in_place(first) == revision


@pytest.mark.parametrize(
    "result, cells",
    [
        (
            found("watching", decision="proceed", watch_until="2026-02-20T02:10:00Z", rejected=[BAD, OLD]),
            [
                "web1",
                "bbbbbbbb",
                "-",
                "20260219T020000Z-bbbbbbbb",
                "watching",
                "23h 10m",
                "proceed",
                "-",
                "cccccccc, aaaaaaaa",
                "-",
            ],
        ),
        (
            found("in_progress", "switching", lock=LOCK),
            [
                "web1",
                "in between",
                "-",
                "20260219T020000Z-bbbbbbbb",
                "in_progress (switching)",
                "-",
                "-",
                "alice, until 2026-02-19T03:10:00Z",
                "-",
                "-",
            ],
        ),
        (None, ["web1", "-", "-", "-", "unknown", "-", "-", "-", "-", "-"]),
    ],
)
def test_a_host_is_a_line_of_the_table(result, cells):
    assert line(result) == cells


@pytest.mark.parametrize(
    "until, watch",
    [
        ("2026-02-19T03:00:30Z", "1m"),
        ("2026-02-19T03:59:30Z", "1h 00m"),
        ("2026-02-19T03:59:00Z", "59m"),
        ("2026-02-19T03:00:00Z", "over, not judged"),
        ("2026-02-19T01:00:00Z", "over, not judged"),
    ],
)
def test_the_table_says_how_long_a_watch_lasts_still(until, watch):
    assert line(found("watching", watch_until=until))[5] == watch


def test_a_lock_whose_lease_expired_is_reported():
    lock = {**LOCK, "until": "2026-02-19T02:30:00Z"}
    assert line(found("in_progress", lock=lock))[7] == "alice, expired 2026-02-19T02:30:00Z"


@pytest.mark.parametrize(
    "result, notes",
    [
        (
            found("watching", decision="monitor", reason="pool_exhausted: 7"),
            ["", "web1: pool_exhausted: 7", f"web1: next: {VERIFY}"],
        ),
        (found("watching", decision="proceed", reason="every row passes"), ["", f"web1: next: {VERIFY}"]),
        (found("rolled_back", decision="rollback"), []),
        ({"unreachable": True, "msg": "no route"}, ["", "web1: no route"]),
    ],
)
def test_what_is_wrong_is_below_the_table(result, notes):
    assert release_status_module.render_table([describe(result)])[3:] == notes


UP, DOWN = {"ready": True, "reason": "", "ports": [3000]}, {"ready": False, "reason": "it is stopped", "ports": []}
BACK = "ansible-playbook greenlight.release.rollback"


@pytest.mark.parametrize(
    "process, cell, notes",
    [
        (UP, "up on 3000", []),
        ({**UP, "ports": []}, "up", []),
        (DOWN, "down", ["web1: the app is down: it is stopped", f"web1: next: start the app, or run: {BACK}"]),
        ({"msg": "no PM2 here"}, "-", []),
        (None, "-", []),
    ],
)
def test_the_table_says_whether_the_app_is_up(process, cell, notes):
    row = release_status_module.describe_host("web1", found("healthy"), NOW, process)
    table = release_status_module.render_table([row])
    assert (table[2].split("  ")[2], table[4:]) == (cell, notes)


@pytest.mark.parametrize(
    "status, lock, process, command",
    [
        ("in_progress", LOCK, UP, "wait for alice until 2026-02-19T03:10:00Z; if that run is dead: "),
        ("in_progress", {**LOCK, "until": "2026-02-19T02:30:00Z"}, DOWN, BACK),
        ("in_progress", None, UP, BACK),
        ("failed", None, DOWN, "put the app right and run: "),
        ("watching", None, UP, VERIFY),
        ("rolled_back", None, DOWN, f"start the app, or run: {DEPLOY} -e greenlight_allow_unhealthy_baseline=true"),
        ("rolled_back", None, UP, ""),
    ],
)
def test_each_state_has_its_next_command(status, lock, process, command):
    row = release_status_module.describe_host("web1", found(status, lock=lock), NOW, process)
    assert row["next"].startswith(command)
    assert bool(row["next"]) is bool(command)


def test_no_host_is_a_table_without_lines():
    assert release_status_module.render_table([])[0].split()[:2] == ["host", "revision"]


def test_the_forms_are_a_table_and_the_rows():
    rows = [describe(None)]
    assert (release_status_module.show_as(rows, "json"), release_status_module.show_as(rows, "table")) == (
        rows,
        release_status_module.render_table(rows),
    )
    with pytest.raises(
        release_status_module.StatusError, match="greenlight_status_format must be table or json, not 'yaml'"
    ):
        release_status_module.show_as(rows, "yaml")


def test_the_filter_takes_each_host_out_of_the_variables_of_all():
    variables = {"web1": {"read": found("healthy")}, "web2": {}}
    rows = release_status(["web2", "web1"], variables, "read", "2026-02-19T03:00:00Z")
    assert [(row["host"], row["state"]) for row in rows] == [("web2", "unknown"), ("web1", "healthy")]
    newest = {"newest": {"backup": {"created": "2026-02-19T02:00:03.000000Z"}}}
    variables = {
        "new": {"read": {"record": None, "rejected": {}}, "ages": {"results": [newest]}},
        "old": {"ages": {"msg": "no module"}},
    }
    rows = release_status(["new", "old"], variables, "read", "2026-02-19T03:00:00Z", backups="ages")
    assert [row["backup"] for row in rows] == [{"at": "2026-02-19T02:00:03Z", "age": 3597}, None]
    assert release_status_module.render_table(rows)[2].endswith("  59m")
    assert release_status([], {}, "read") == []
    with pytest.raises(AnsibleFilterError, match="now must be a time in UTC"):
        release_status([], {}, "read", "today")


@pytest.mark.parametrize("status, next_command", [("watching", VERIFY), ("healthy", "")])
def test_the_watch_of_a_release_that_a_later_one_was_rolled_back_to_goes_on(status, next_command):
    given = found("rolled_back")
    kept = {"id": "20260218T020000Z-aaaaaaaa", "status": status, "from_revision": "z", "to_revision": OLD}
    releases = [kept, {name: given["record"][name] for name in ("id", "status", "from_revision", "to_revision")}]
    row = release_status_module.describe_host("web1", {**given, "releases": releases}, NOW)
    assert row["next"] == next_command
