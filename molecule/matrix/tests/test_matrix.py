# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import host as sample
import pytest

RELEASES = ("fails-requests", "degraded", "swallows-errors", "slow-upstream", "wasteful")


@pytest.fixture(scope="module")
def records(host):
    return dict(zip(RELEASES, sample.records(host), strict=True))


def findings(observation):
    return {finding["name"]: finding for finding in observation["findings"]}


def test_each_release_is_the_one_that_it_should_be(host, records):
    shas = sample.revision(host, " ".join(RELEASES)).split()
    assert [record["to_revision"] for record in records.values()] == shas


@pytest.mark.parametrize(
    "revision, rows",
    [
        ("degraded", ["server_starts"]),
        # A critical error is an error too, and there are many.
        ("swallows-errors", ["critical_errors", "new_errors"]),
        ("fails-requests", ["error_rate"]),
        ("slow-upstream", ["response_time"]),
    ],
)
def test_a_row_rolls_its_faulty_release_back_and_no_other_row_does(records, revision, rows):
    record = records[revision]
    found = findings(record["observations"][0])
    assert (record["status"], record["decision"]) == ("rolled_back", "rollback")
    assert [name for name, finding in found.items() if finding["action"] == "rollback"] == rows
    assert record["from_revision"] == records["wasteful"]["from_revision"]


@pytest.mark.parametrize(
    "revision, observation, row, outcome, action",
    [
        ("wasteful", 0, "pool_exhausted", "miss", "adjust"),
        ("wasteful", 0, "new_warnings", "miss", "monitor"),
        ("wasteful", 0, "cache_hit_rate_1h", "not_due", "proceed"),
        ("wasteful", 1, "cache_hit_rate_1h", "miss", "adjust"),
        ("wasteful", 1, "cache_hit_rate_24h", "miss", "adjust"),
    ],
)
def test_a_row_that_is_missed_leads_to_its_action_and_its_remedy(records, revision, observation, row, outcome, action):
    found = findings(records[revision]["observations"][observation])[row]
    assert (found["outcome"], found["action"]) == (outcome, action)
    assert bool(found["remedy"]) is (outcome == "miss")


def test_what_a_rejected_release_did_is_in_no_later_baseline(records):
    rates = {name: record["facts"]["baseline"]["error_rate"]["value"] for name, record in records.items()}
    assert rates == dict.fromkeys(RELEASES, 0)


def test_a_release_that_misses_only_softer_rows_stays(host, records):
    assert records["wasteful"]["status"] == "healthy_with_findings"
    running = sample.read_json(host, "curl -s http://127.0.0.1:3000/health")["revision"]
    assert running == records["wasteful"]["to_revision"]
