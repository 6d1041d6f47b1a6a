# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import kept_output
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError


def same(text):
    return text


def test_what_commands_said_is_kept_whole_and_without_secrets(tmp_path):
    path = kept_output.file_of(tmp_path, "r1")
    kept_output.append(path, "npm ci", "one\n\x1b[31mtwo\x1b[0m\npassword=hunter2\n", same)
    kept_output.append(path, "npm run build", "known s3cr3t", lambda text: text.replace("s3cr3t", "********"))
    assert path.read_text() == "$ npm ci\none\ntwo\npassword=***\n$ npm run build\nknown ********\n"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_the_output_of_the_last_releases_is_kept(tmp_path):
    for number in range(22):
        kept_output.append(kept_output.file_of(tmp_path, f"r{number:02}"), "true", "", same)
    names = sorted(os.listdir(str(tmp_path / "output")))
    assert (len(names), names[0], names[-1]) == (20, "r02.log", "r21.log")


def test_what_cannot_be_kept_is_said(tmp_path):
    (tmp_path / "output").write_text("a file")
    with pytest.raises(RecordError, match=r"^The output of npm ci cannot be kept in .*/output/r1.log: "):
        kept_output.append(kept_output.file_of(tmp_path, "r1"), "npm ci", "", same)


def test_a_command_does_not_fail_because_its_output_cannot_be_kept(tmp_path):
    keeper = kept_output.Keeper(kept_output.file_of(tmp_path, "r1"), same)
    keeper.keeping("npm ci")("one")
    (tmp_path / "output" / "r1.log").unlink()
    (tmp_path / "output" / "r1.log").mkdir()
    keeper.keeping("npm run build")("two")
    (problem,) = keeper.problems
    assert "/output/r1.log is not a regular file" in problem


def test_output_is_not_read_from_what_is_no_file(tmp_path):
    kept_output.file_of(tmp_path, "r1").mkdir(parents=True)
    with pytest.raises(RecordError, match="is not a regular file"):
        kept_output.append(kept_output.file_of(tmp_path, "r1"), "npm ci", "", same)
