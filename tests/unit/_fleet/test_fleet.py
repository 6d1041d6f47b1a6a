# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.filter.old_hosts import old_hosts
from ansible_collections.greenlight.release.plugins.filter.roll_out import roll_out
from ansible_collections.greenlight.release.plugins.module_utils._fleet.fleet import (
    FleetError,
    Host,
    Stop,
    batches_of,
    choose_back,
    find_stop,
    first_release,
    judges_fleet,
    split,
    states_of,
)

OLD, NEW = "5" * 40, "0" * 40
WEB = ["web1", "web2", "web3"]
SETTINGS = {"batches": [1, "100%"], "soak": "0s", "confirm": False, "matrix": [], "patches": {}}
TOGETHER = {"metric": "error_rate", "scope": "fleet"}


def facts(name, head=OLD, **more):
    return {
        "inventory_hostname": name,
        "__greenlight_fetched": {"head": head},
        "__greenlight_target": {"sha": NEW},
        **more,
    }


@pytest.mark.parametrize(
    "count, batches, sizes",
    [
        (1, [1, "25%", "100%"], [1]),
        (2, [1, "25%", "100%"], [1, 1]),
        (20, [1, "25%", "100%"], [1, 5, 14]),
        (5, [2], [2, 2, 1]),
        (5, "50%", [2, 2, 1]),
        (3, 1, [1, 1, 1]),
        (3, ["1%"], [1, 1, 1]),
        (3, ["2", 7], [2, 1]),
        (3, ["100%"], [3]),
        (3, ["250%"], [3]),
        (0, [1], []),
    ],
)
def test_hosts_are_divided_in_their_order_and_the_last_size_is_repeated(count, batches, sizes):
    hosts = [f"web{number}" for number in range(count)]
    parts = split(hosts, batches)
    assert [len(part) for part in parts] == sizes
    assert [host for part in parts for host in part] == hosts


@pytest.mark.parametrize("wrong", [[], [0], ["0%"], [-1], [1.5], ["half"], [True], [None], [[1]], ["%"], ["1 %"]])
def test_other_sizes_are_refused(wrong):
    with pytest.raises(FleetError, match="greenlight_batches cannot have .*; give numbers of hosts or percentages"):
        split(WEB, wrong)


def test_a_host_gets_its_own_batch():
    assert batches_of("web2", WEB, SETTINGS) == [
        {"number": 2, "of": 2, "hosts": ["web2", "web3"], "later": [], "together": False, "tasks": "next", "soak": 0}
    ]


@pytest.mark.parametrize(
    "settings, first, second",
    [
        ({}, ("batch", 0), ("next", 0)),
        ({"soak": "10m"}, ("gated", 600), ("gated", 0)),
        ({"soak": 5}, ("gated", 5), ("gated", 0)),
        ({"confirm": True}, ("gated", 0), ("gated", 0)),
        ({"matrix": [TOGETHER]}, ("gated", 0), ("gated", 0)),
        ({"patches": {"error_rate": {"scope": "fleet"}}}, ("gated", 0), ("gated", 0)),
    ],
)
def test_a_batch_has_gates_only_where_something_waits_at_them(settings, first, second):
    found = [batches_of(name, WEB, {**SETTINGS, **settings})[-1] for name in ("web1", "web3")]
    assert [(batch["tasks"], batch["soak"]) for batch in found] == [first, second]


def test_hosts_of_later_batches_are_compared_with_those_before_where_the_fleet_is_judged():
    settings = {**SETTINGS, "batches": [1], "matrix": [TOGETHER]}
    assert [[batch["number"] for batch in batches_of(name, WEB, settings)] for name in WEB] == [[1], [1, 2], [1, 2, 3]]


def test_a_soak_that_is_no_duration_is_refused():
    with pytest.raises(FleetError, match="greenlight_soak: 'long' is no duration"):
        batches_of("web1", WEB, {**SETTINGS, "soak": "long"})


@pytest.mark.parametrize(
    "matrix, patches, expected",
    [
        (None, None, False),
        ([{"metric": "error_rate"}], {"error_rate": None}, False),
        ([{"metric": "error_rate"}, TOGETHER], {}, True),
        (["no row"], {"a": TOGETHER}, True),
    ],
)
def test_it_is_seen_whether_any_row_judges_the_fleet(matrix, patches, expected):
    assert judges_fleet(matrix, patches) is expected


REVISION = {"greenlight_revision": "main"}


def test_the_first_batch_has_nothing_to_go_by():
    assert first_release(REVISION, [facts(name, greenlight_revision="main") for name in WEB], ["web1"]) == {}


def test_later_batches_go_by_the_first_one_that_came_so_far():
    hosts = [
        {"inventory_hostname": "web1", "__greenlight_target": {"failed": True}},
        facts("web2", __greenlight_release_id="id", __greenlight_run_id="run"),
        facts("web3"),
    ]
    assert first_release({}, hosts, ["web3"]) == {"sha": NEW, "release_id": "id", "run_id": "run"}
    assert first_release({}, hosts, ["web2", "web3"]) == {}


def test_two_hosts_with_different_revisions_are_refused():
    hosts = [facts("web1", greenlight_revision="main"), facts("web2", greenlight_revision="next")]
    with pytest.raises(FleetError, match="greenlight_revision is 'main' on web1 and 'next' on web2; one run"):
        first_release(REVISION, hosts, ["web1", "web2"])


def test_a_revision_that_the_play_sets_for_all_hosts_is_no_difference():
    hosts = [facts("web1", greenlight_revision="old"), facts("web2", greenlight_revision="older")]
    assert first_release(REVISION, hosts, ["web1", "web2"]) == {}


def record(status):
    return {"record": {"status": status, "stage": "rolling_back", "from_revision": OLD, "to_revision": NEW}}


LEFT = "left before its release began, see its error above"
DECIDED = {"decision": "proceed", "reason": "every row that is due passes"}


@pytest.mark.parametrize(
    "more, alive, state, now, reason",
    [
        ({"greenlight_decision": DECIDED}, True, "released", NEW, DECIDED["reason"]),
        ({"__greenlight_fetched": {"head": NEW}}, True, "unchanged", NEW, ""),
        ({"__greenlight_fetched": {}}, True, "waiting", "", ""),
        (
            {"__greenlight_fetched": {"unreachable": True}},
            False,
            "lost",
            "",
            "left before its release began, see its error above",
        ),
        ({}, False, "lost", "", "cannot be reached any more"),
        ({"__greenlight_failed": "no space"}, True, "failed", "", "no space"),
        ({"__greenlight_failed": "no space"}, False, "failed", "", "no space"),
        ({"__greenlight_batch_rollback": {"reason": "since web2 failed"}}, True, "taken_back", "", "since web2 failed"),
        ({"__greenlight_batch_rollback": {"problem": "no backup"}}, True, "stuck", "", "no backup"),
        ({"__greenlight_failed": "x", "__greenlight_final_records": record("rolled_back")}, True, "failed", OLD, "x"),
        ({"__greenlight_failed": "x", "__greenlight_final_records": {"record": None}}, True, "failed", OLD, "x"),
        (
            {"__greenlight_batch_rollback": {"problem": "x"}, "__greenlight_final_records": record("in_progress")},
            True,
            "stuck",
            "",
            "x",
        ),
        ({"__greenlight_fetched": {}, "__greenlight_final_records": record("healthy")}, True, "waiting", NEW, ""),
        ({"__greenlight_final_records": record("watching")}, True, "released", NEW, ""),
    ],
)
def test_the_state_of_a_host_follows_from_its_facts(more, alive, state, now, reason):
    host = states_of([{**facts("web1"), **more}], ["web1"] if alive else [], [1])[0]
    assert (host.state, host.now, host.reason) == (state, now, reason)


CLOSED = {"__greenlight_release_id": "id", "__greenlight_closed": {"record": {"id": "id"}}}


@pytest.mark.parametrize(
    "more, stands",
    [
        ({}, True),
        ({"__greenlight_fetched": {"head": NEW}}, False),
        ({"__greenlight_failed": "x"}, False),
        ({"__greenlight_failed": "x", **CLOSED}, True),
        ({"__greenlight_failed": "x", **CLOSED, "__greenlight_release_id": "another"}, False),
        ({"__greenlight_failed": "x", **CLOSED, "__greenlight_batch_rollback": {"reason": "y"}}, False),
    ],
)
def test_a_host_stays_on_the_new_revision_until_it_is_rolled_back(more, stands):
    assert states_of([{**facts("web1"), **more}], ["web1"], [1])[0].stands is stands


def test_in_check_mode_a_host_would_be_released():
    assert states_of([facts("web1")], ["web1"], [1], check_mode=True) == [
        Host("web1", 1, "rehearsed", before=OLD, wanted=NEW, now=OLD)
    ]


def test_every_host_knows_its_batch():
    assert [host.batch for host in states_of([facts(name) for name in WEB], WEB, [1, 2])] == [1, 2, 2]


def hosts_of(*states, batch=None):
    return [Host(name, number, state, reason="why") for number, (name, state) in enumerate(zip(WEB, states), 1)]


@pytest.mark.parametrize(
    "states, stop",
    [
        (("released", "unchanged", "waiting"), None),
        (("released", "failed", "waiting"), Stop("failed", 2, "batch 2 of 3: web2 failed: why")),
        (("released", "lost", "waiting"), Stop("lost", 2, "batch 2 of 3: web2 why")),
        (("lost", "failed", "failed"), Stop("failed", 3, "batch 3 of 3: web2 failed: why; web3 failed: why")),
        (("taken_back", "failed", "waiting"), Stop("failed", 2, "batch 2 of 3: web2 failed: why")),
        ((), None),
    ],
)
def test_a_run_stops_where_a_host_failed_or_is_lost(states, stop):
    assert find_stop(hosts_of(*states), []) == stop


def test_a_run_stops_where_the_tasks_say_so():
    said = {"kind": "asked", "batch": 2, "reason": "nobody answered yes"}
    given = [{"__greenlight_stop": {}}, {}, {"__greenlight_stop": said}]
    assert find_stop(hosts_of("released", "waiting", "waiting"), given) == Stop("asked", 2, "nobody answered yes")


@pytest.mark.parametrize(
    "kind, batch, whole_fleet, back",
    [
        ("failed", 2, True, ["web1", "web2"]),
        ("failed", 2, False, ["web2"]),
        ("fleet", 2, True, ["web1", "web2"]),
        ("fleet", 2, False, ["web2"]),
        ("lost", 2, True, []),
        ("asked", 2, True, []),
        ("hours", 2, True, []),
    ],
)
def test_only_what_speaks_against_the_revision_has_hosts_rolled_back(kind, batch, whole_fleet, back):
    hosts = [replace(host, stands=host.state == "released") for host in hosts_of("released", "released", "failed")]
    assert choose_back(hosts, Stop(kind, batch, ""), whole_fleet) == back
    assert choose_back(hosts, None, whole_fleet) == []


def test_the_fleet_is_compared_with_hosts_that_answer_and_have_the_old_revision():
    hosts = {name: facts(name, __greenlight_old_measured={"revision": OLD}) for name in ("web2", "web3", "web4")}
    hosts["web3"]["__greenlight_old_measured"] = {"revision": NEW}
    later = ["web4", "web3", "web2", "web5"]
    assert old_hosts(later, ["web1", "web2", "web3", "web4"], hosts, NEW) == ["web4", "web2"]
    assert old_hosts(later, ["web1"], hosts, NEW) == []


def test_a_host_that_was_released_is_named():
    rolled_out = roll_out([facts("web1"), facts("web2", __greenlight_failed="x")], ["web1", "web2"], ["100%"])
    assert rolled_out["released"] == ["web1"]
