# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._release.shape import check_record

NAME = "20260219T020000Z-bbbbbbbb"
WHOLE = release_record.open_release(
    [],
    release_record.Opening("shop", NAME, "a" * 40, "b" * 40, "run 1", "alice", 60),
    datetime(2026, 2, 19, 2, tzinfo=timezone.utc),
)


STATUSES = [{"status": status} for status in (*release_record.OUTCOMES, *release_record.KEPT)]


@pytest.mark.parametrize(
    "more", [{}, {"lock": None}, {"observations": [{"at": "2026-02-19T02:00:00Z"}]}, {"later": 1}, *STATUSES]
)
def test_a_whole_record_is_one(more):
    assert check_record({**WHOLE, **more}, NAME) == {**WHOLE, **more}
    older = {name: value for name, value in WHOLE.items() if name != "sequence"}
    assert check_record(older, NAME) == older


@pytest.mark.parametrize(
    "field, value",
    [
        ("id", "../x"),
        ("status", "fine"),
        ("stage", None),
        ("from_revision", "main"),
        ("to_revision", 7),
        ("opened_at", None),
        ("switched_at", "yesterday"),
        ("lock", {"run_id": "run 1"}),
        ("lock", {**WHOLE["lock"], "until": "soon"}),
        ("lock", "mine"),
        ("facts", []),
        ("observations", [{}]),
        ("history", [7]),
        ("sequence", "7"),
    ],
)
def test_a_field_that_cannot_be_is_named_with_its_value(field, value):
    with pytest.raises(RecordError) as raised:
        check_record({**WHOLE, field: value}, NAME)
    assert f"is not a whole release record, as {field} cannot be {value!r}; restore it from a backup" in str(
        raised.value
    )


@pytest.mark.parametrize("field", [field for field in WHOLE if field not in ("format", "sequence")])
def test_a_field_that_is_missing_is_named(field):
    cut = {name: value for name, value in WHOLE.items() if name != field}
    with pytest.raises(RecordError, match=f"is not a whole release record, as {field} is missing"):
        check_record(cut, NAME)


def test_a_copy_under_another_name_is_no_second_release():
    with pytest.raises(RecordError, match=f"holds the record of release {NAME}; move it out of the folder"):
        check_record(WHOLE, "copy of it")
