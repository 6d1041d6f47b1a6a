# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._decision.shown import render_table

RATE = {
    "metric": "error_rate",
    "relative": True,
    "target": {"below": 10},
    "action": "monitor",
    "rollback_if": {"above": 50},
    "remedy": "Compare the failing requests with those of the old revision.",
}
ROWS = [
    {"metric": "server_starts", "target": {"equals": True}, "action": "rollback"},
    {"metric": "critical_errors", "target": {"equals": 0}, "action": "rollback", "remedy": "Read the lines."},
    RATE,
    {"metric": "cache_hit_rate", "target": {"above": 30}, "action": "adjust"},
    {"metric": "cache_hit_rate", "due": "24h", "target": {"above": 80}, "action": "adjust"},
    {"metric": "response_time", "relative": True, "target": {"below": 0}, "action": "monitor", "remedy": "Profile it."},
]
NOW = {
    "server_starts": True,
    "critical_errors": 87,
    "error_rate": {
        "value": 7.1,
        "events": 64,
        "samples": 900,
        "since_switch": {"events": 64, "samples": 901, "blocks": []},
    },
    "response_time": {"value": 45, "low": 39, "high": 52, "samples": 50},
}
BEFORE = {
    "error_rate": {"value": 0.0, "events": 0, "samples": 24_001},
    "response_time": {"value": 40, "low": 36, "high": 46, "samples": 50},
}


def test_a_rollback_is_told_with_why_first_and_what_is_well_behind_it():
    quotes = {"critical_errors": {"count": 87, "first": "POST /api/items failed: TypeError: id"}}
    lines = render_table({**decide(NOW, ROWS, BEFORE, age=3720), "quotes": quotes}, "shop", "web1")
    assert lines == [
        "ROLLBACK  shop on web1, 62m after the switch",
        "  why           critical_errors  87 lines   allowed: equal to 0",
        "                87 is not equal to 0",
        "                > POST /api/items failed: TypeError: id",
        "                error_rate  7.1 % of the requests (64 of 901), since the switch   before 0 % of the",
        "                  requests (0 of 24,001)   allowed: below 10 %, rollback if above 50 %",
        "                0 to 7.1, 64 of 901 since the switch is above 50 %",
        "  ok            server_starts",
        "  cannot tell   response_time: +12.5 % (40 to 45) is not below 0 %, which may be chance",
        "  not measured  cache_hit_rate: cache_hit_rate was not measured; greenlight_cache_stats_url says",
        "                  where it is",
        "  not due       cache_hit_rate_24h (judged from 24h after the switch)",
        "  do            critical_errors: Read the lines.",
        "                error_rate: Compare the failing requests with those of the old revision.",
        "                try this revision again: ansible-playbook greenlight.release.deploy -e",
        "                  greenlight_retry_rejected=true",
    ]
    assert max(map(len, lines)) <= 100


def test_softer_findings_stand_behind_what_was_decided_and_tell_how_many_samples_they_have():
    slow = {**NOW, "response_time": {"value": 80, "low": 78, "high": 82, "samples": 50}}
    lines = render_table(decide(slow, ROWS, BEFORE))
    assert lines[0] == "ROLLBACK  0s after the switch"
    also = next(index for index, line in enumerate(lines) if line.startswith("  also "))
    assert lines[also].startswith(
        "  also          response_time  80 ms, the median, 50 samples   before 40 ms, the median"
    )
    assert "look again" not in "".join(lines), "nobody knows of what"


@pytest.mark.parametrize(
    "value, text",
    [
        (False, "  why           server_starts  false is not equal to true (nothing listens)"),
        (None, "  why           server_starts  server_starts was not measured"),
    ],
)
def test_a_row_without_a_number_tells_why_it_rolls_back(value, text):
    measured = {"server_starts": {"value": value, "note": "nothing listens"}}
    assert text in render_table(decide(measured, ROWS[:1]))


def test_a_release_that_is_well_takes_two_lines():
    result = decide({"server_starts": True, "critical_errors": 0}, ROWS[:2], age=60)
    assert render_table(result, "shop") == [
        "PROCEED  shop, 1m after the switch",
        "  ok            server_starts, critical_errors",
    ]


def test_what_was_adjusted_is_told_and_what_to_run_next():
    made = {"row": "hits", "env": "TTL", "from": "30", "to": "60", "value": 20, "taken_back": False}
    back = {**made, "from": "60", "to": "30", "taken_back": True}
    row = {"metric": "hits", "target": {"above": 30}, "action": "adjust", "remedy": "Lengthen the TTL."}
    result = {**decide({"hits": 20}, [row]), "adjustments": [made, back], "adjustment_notes": ["SIZE stays: 9 is most"]}
    assert render_table(result, "shop", "web1")[-7:] == [
        "                20 is not above 30",
        "  adjusted      TTL from 30 to 60, for hits",
        "                TTL from 60 to 30, for hits, which undoes an adjustment",
        "                SIZE stays: 9 is most",
        "  do            hits: Lengthen the TTL.",
        "                look again: ansible-playbook greenlight.release.verify; roll back: ansible-playbook",
        "                  greenlight.release.rollback",
    ]


def test_a_metric_of_a_probe_that_was_not_measured_has_no_variable_of_its_own():
    row = {"metric": "queue", "target": {"below": 5}, "action": "monitor"}
    assert "  not measured  queue: queue was not measured" in render_table(decide({}, [row]))
