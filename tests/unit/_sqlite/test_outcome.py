# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import stat
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import outcome


def test_what_was_kept_is_read_again_and_is_private(tmp_path):
    path = tmp_path / "drill.json"
    assert outcome.read(path) == {}
    outcome.keep(path, {"good": True})
    assert outcome.read(path) == {"format": 1, "good": True}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', "{"])
def test_what_nobody_can_use_is_nothing(tmp_path, text):
    path = tmp_path / "drill.json"
    path.write_text(text)
    assert outcome.read(path) == {}


def test_a_time_is_kept_in_utc():
    east = timezone(timedelta(hours=2))
    assert outcome.format_time(datetime(2026, 2, 19, 4, 0, 5, 999, tzinfo=east)) == "2026-02-19T02:00:05Z"
