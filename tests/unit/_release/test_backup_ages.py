# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import backup_ages

NOW = datetime(2026, 2, 19, 3, tzinfo=timezone.utc)
BACKUP = {"path": "/b/new.db", "created": "2026-02-19T02:00:03.000000Z"}
COPY = {"path": "/b/old.db", "created": "2026-02-18T02:00:03.000000Z", "copied_at": "2026-02-18T02:10:00Z"}
GOOD = {"format": 1, "at": "2026-02-15T03:00:00Z", "good": True, "problem": ""}
BAD = {**GOOD, "good": False, "problem": "It is damaged; password=hunter2"}


def test_the_age_of_a_copy_is_that_of_the_backup_in_it():
    found = backup_ages.describe({"backup": BACKUP, "off_host": COPY, "off_host_problem": "", "drill": GOOD}, NOW)
    assert found == {
        "backup": {"at": "2026-02-19T02:00:03Z", "age": 3597},
        "off_host": {"at": "2026-02-18T02:00:03Z", "age": 89997},
        "off_host_problem": "",
        "drill": {"at": "2026-02-15T03:00:00Z", "age": 345600, "good": True, "problem": ""},
    }


@pytest.mark.parametrize("newest", [{}, {"backup": {}, "off_host": {"created": "soon"}, "drill": {"at": None}}])
def test_what_is_missing_or_wrong_is_not_known(newest):
    assert backup_ages.describe(newest, NOW) == backup_ages.UNKNOWN


def test_a_clock_that_is_ahead_makes_nothing_younger_than_now():
    ahead = {"backup": {"created": "2026-02-19T04:00:00.000000Z"}}
    assert backup_ages.describe(ahead, NOW)["backup"]["age"] == 0


@pytest.mark.parametrize(
    "newest, cell, notes",
    [
        ({}, "-", []),
        ({"drill": BAD}, "-", ["the last drill failed, 4d ago: It is damaged; password=***"]),
        ({"backup": BACKUP}, "59m", []),
        ({"backup": BACKUP, "off_host_problem": "It was not copied"}, "59m, no copy", ["It was not copied"]),
        (
            {"backup": BACKUP, "off_host": COPY, "off_host_problem": "It was not copied"},
            "59m, copy 24h",
            ["It was not copied"],
        ),
        ({"backup": BACKUP, "off_host": COPY, "drill": GOOD}, "59m, copy 24h, drill 4d", []),
        (
            {"backup": BACKUP, "drill": BAD},
            "59m, failed drill 4d",
            ["the last drill failed, 4d ago: It is damaged; password=***"],
        ),
    ],
)
def test_the_ages_are_one_cell_and_what_failed_is_a_note(newest, cell, notes):
    row = backup_ages.describe(newest, NOW)
    assert (backup_ages.show_ages(row), backup_ages.notes(row)) == (cell, notes)
