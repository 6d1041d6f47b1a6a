# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import files, over
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "error.log"
    path.write_text("FATAL before the switch\n")
    return path


def watch(log, **given):
    cursor = files.take_cursor([(str(log), "err")], 0.0)
    forbid = [{"name": "critical_errors", "pattern": "FATAL", "new_kinds_only": True}]
    known = {"files": [{"path": str(log), "stream": "err"}], "known_kinds": {}, "forbid": forbid, "ignore": []}
    known["styles"] = []
    return over.watch_log({**known, "cursor": cursor, **given})


def test_a_forbidden_line_is_seen_as_soon_as_it_is_written(log):
    why = watch(log)
    assert why() == ""
    with log.open("a") as file:
        file.write("all is well\n")
        file.flush()
        assert why() == ""
        file.write("FATAL no such column\n")
        file.flush()
        assert why() == "its log has critical_errors: 1 lines, the last one is 'FATAL no such column'"


def test_what_is_allowed_or_ignored_decides_nothing(log):
    allowed = watch(log, forbid=[{"name": "errors", "pattern": "FATAL", "maximum": 1}])
    ignored = watch(log, ignore=[{"pattern": "no such"}])
    with log.open("a") as file:
        file.write("FATAL no such column\n")
    assert (allowed(), ignored()) == ("", "")


def test_a_log_that_cannot_be_read_says_nothing(log, monkeypatch):
    for failure in (LogError("gone"), OSError(5, "Input/output error"), over.TooSlowError()):
        why = watch(log)
        monkeypatch.setattr(over.check, "begin", fail_with(failure))
        assert why() == ""


def fail_with(failure):
    def fail(*_given):
        raise failure

    return fail


def test_wrong_options_are_refused_before_anything_is_asked(log):
    with pytest.raises(LogError, match="files needs mappings of an absolute path and a stream"):
        watch(log, files=[{"path": "error.log", "stream": "err"}])


def test_the_process_is_asked_before_the_log_and_both_may_be_left_out(log, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(over.pm2, "watch_end", lambda name, read: lambda: asked.append((name, read.args[0])) or "ended")
    monkeypatch.setattr(over, "watch_log", lambda _given: lambda: "lines")
    both = over.watch("shop", str(tmp_path), {"files": []}, {})
    assert (both(), asked) == ("ended", [("shop", tmp_path)])
    assert over.watch(None, None, {"files": []}, {})() == "lines"
    assert over.watch(None, None, None, {})() == ""


def test_what_a_client_asked_for_decides_nothing_where_the_log_is_read_by_its_style(log):
    by_style = watch(log, styles=["auto"])
    with log.open("a") as file:
        file.write("GET /search?q=FATAL 200 1.5 ms - 12\n")
        file.flush()
        assert by_style() == ""
        file.write("FATAL no such column\n")
    assert by_style() == "its log has critical_errors: 1 lines, the last one is 'FATAL no such column'"
