# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import files, marks
from ansible_collections.greenlight.release.plugins.module_utils._release import evidence
from ansible_collections.greenlight.release.plugins.module_utils._release.evidence import Evidence, EvidenceError

RELEASE = "20260219T020000Z-bbbbbbbb"
AT = 1771466400.0


@pytest.fixture
def log(tmp_path):
    """A log with one line, and the cursor behind it."""
    path = tmp_path / "shop-error.log"
    path.write_text("before\n")
    cursor = marks.make_cursor([files.mark_log(path, "err", AT)], AT)
    return path, cursor


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def keep(tmp_path, cursor=None, release=RELEASE, **findings):
    return evidence.keep(tmp_path, release, Evidence(cursor or {}, findings), AT + 60)


def test_the_lines_since_the_switch_and_what_was_found_are_kept_privately(tmp_path, log):
    append(log[0], "TypeError: \x1b[31mred\x1b[0m\ntoken=abcdef0123\n")
    folder = keep(tmp_path, log[1], findings={"decision": "rollback"}, process={"pid": 7, "env": {"API_KEY": "hush"}})
    assert folder == tmp_path / "evidence" / RELEASE
    assert sorted(os.listdir(folder)) == ["0-shop-error.log", "findings.json", "process.json"]
    assert (folder / "0-shop-error.log").read_text() == "TypeError: red\ntoken=***\n"
    assert json.loads((folder / "findings.json").read_text()) == {"decision": "rollback"}
    assert json.loads((folder / "process.json").read_text()) == {"pid": 7, "env": {"API_KEY": "***"}}
    modes = {path: path.stat().st_mode & 0o777 for path in (folder.parent, folder, *folder.iterdir())}
    assert set(modes.values()) == {0o700, 0o600}


def test_a_password_in_a_list_of_texts_is_left_out(tmp_path):
    folder = keep(tmp_path, findings=["mysql://root:hush@db/x"])
    assert "hush" not in (folder / "findings.json").read_text()


def test_a_second_rollback_replaces_nothing(tmp_path, log):
    append(log[0], "first\n")
    folder = keep(tmp_path, log[1])
    append(log[0], "second\n")
    assert keep(tmp_path, log[1], findings={}) == folder
    assert os.listdir(folder) == ["0-shop-error.log"]
    assert (folder / "0-shop-error.log").read_text() == "first\n"


def test_what_a_killed_run_left_is_no_evidence(tmp_path):
    half = tmp_path / "evidence" / f".{RELEASE}.partial"
    half.mkdir(parents=True)
    (half / "findings.json").write_text("{")
    assert (keep(tmp_path, findings={"a": 1}) / "findings.json").read_text() == '{\n  "a": 1\n}\n'
    assert os.listdir(tmp_path / "evidence") == [RELEASE]


@pytest.mark.parametrize("number", [3, 80000])
def test_of_a_long_log_both_ends_are_kept(tmp_path, log, number):
    lines = [f"line {each} of the app" for each in range(number)]
    written = set(lines)
    append(log[0], "\n".join(lines) + "\n")
    kept = (keep(tmp_path, log[1]) / "0-shop-error.log").read_text().splitlines()
    left_out = [each for each in kept if each.endswith("bytes are left out here)")]
    assert len(left_out) == (number > 3)
    assert (kept[0], kept[-1]) == (lines[0], lines[-1])
    assert [each for each in kept if each not in left_out and each not in written] == []
    reported = [int(each[1:].split()[0]) for each in left_out]
    whole = sum(len(each) + 1 for each in kept if each not in left_out) + sum(reported)
    assert whole == sum(len(each) + 1 for each in lines)


def test_an_emptied_log_says_that_lines_may_be_missing(tmp_path, log):
    log[0].write_text("new\n")
    kept = (keep(tmp_path, log[1]) / "0-shop-error.log").read_text()
    assert kept == "(lines may be missing: the log was rotated or emptied)\nnew\n"


def test_a_log_that_cannot_be_read_says_why(tmp_path, log):
    log[0].unlink()
    log[0].mkdir()
    kept = (keep(tmp_path, log[1]) / "0-shop-error.log").read_text()
    assert kept.startswith("This log was not read: ")


def test_a_cursor_that_is_none_costs_only_the_logs(tmp_path):
    folder = keep(tmp_path, {"version": 7}, findings={})
    assert sorted(os.listdir(folder)) == ["findings.json", "logs.txt"]
    assert (folder / "logs.txt").read_text().startswith("The logs were not read: cursor is not one")


def test_the_evidence_of_old_releases_makes_room(tmp_path):
    releases = [f"202602{day:02}T020000Z-bbbbbbbb" for day in range(1, 14)]
    for release in releases:
        keep(tmp_path, release=release, findings={})
    assert sorted(os.listdir(tmp_path / "evidence")) == releases[-evidence.KEPT :]


def test_evidence_that_cannot_be_kept_leaves_no_half_and_is_an_error(tmp_path):
    (tmp_path / "evidence").write_text("")
    with pytest.raises(EvidenceError, match=r"The evidence cannot be kept in .*evidence/2026.*: File exists"):
        keep(tmp_path)
