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
    newest = {"backup": BACKUP, "off_host": COPY, "off_host_problem": "", "drill": GOOD}
    assert backup_ages.describe([{"newest": newest}], NOW) == {
        "databases": 1,
        "backup": {"at": "2026-02-19T02:00:03Z", "age": 3597},
        "off_host": {"at": "2026-02-18T02:00:03Z", "age": 89997},
        "off_host_problem": "",
        "drill": {"at": "2026-02-15T03:00:00Z", "age": 345600, "good": True, "problem": ""},
    }


@pytest.mark.parametrize("newest", [{}, {"backup": {}, "off_host": {"created": "soon"}, "drill": {"at": None}}])
def test_what_is_missing_or_wrong_is_not_known(newest):
    assert backup_ages.describe([{"newest": newest}], NOW) == {**backup_ages.UNKNOWN, "databases": 1}
    assert backup_ages.describe([{"msg": "no module"}], NOW) == {**backup_ages.UNKNOWN, "databases": 1}
    assert backup_ages.describe(None, NOW) == backup_ages.UNKNOWN


def test_of_several_databases_the_one_that_is_worst_off_counts():
    """One that was never backed up, copied or drilled makes the others no better."""
    older = {**BACKUP, "created": "2026-02-17T02:00:03.000000Z"}
    first = {"backup": BACKUP, "off_host": COPY, "off_host_problem": "", "drill": GOOD}
    second = {"backup": older, "off_host": None, "off_host_problem": "It was not copied", "drill": BAD}
    found = backup_ages.describe([{"newest": first}, {"newest": second}], NOW)
    assert (found["databases"], found["backup"]["age"], found["off_host"]) == (2, 176397, None)
    assert (found["off_host_problem"], found["drill"]["good"]) == ("It was not copied", False)
    assert backup_ages.show_ages(found) == "2d, no copy, failed drill 4d"
    without = backup_ages.describe([{"newest": first}, {"newest": {}}], NOW)
    assert (without["backup"], without["drill"], backup_ages.show_ages(without)) == (None, None, "-")


def test_an_app_without_a_database_says_so():
    row = backup_ages.describe([], NOW)
    assert (row["databases"], backup_ages.show_ages(row), backup_ages.notes(row)) == (0, "no database", [])


def test_a_clock_that_is_ahead_makes_nothing_younger_than_now():
    ahead = {"backup": {"created": "2026-02-19T04:00:00.000000Z"}}
    assert backup_ages.describe([{"newest": ahead}], NOW)["backup"]["age"] == 0


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
    row = backup_ages.describe([{"newest": newest}], NOW)
    assert (backup_ages.show_ages(row), backup_ages.notes(row)) == (cell, notes)
