# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import layout as code_layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from code_layouts import ID, OLD_ID, ONE, TWO, Releases


@pytest.fixture
def releases(tmp_path):
    return Releases(tmp_path)


def test_a_link_to_a_release_by_its_real_path_is_followed(releases, tmp_path):
    (tmp_path / "linked").symlink_to(releases.path)
    (releases.path / "current").unlink()
    (releases.path / "current").symlink_to(releases.path / "releases" / OLD_ID)
    assert code_layout.head(releases.run, "releases", tmp_path / "linked") == ONE


@pytest.mark.parametrize(
    "leads_to, message",
    [
        ("/etc", "leads to /etc, which is no release"),
        ("releases/x", "leads to .*releases/x, which is no release"),
        (None, "does not exist; make it lead to the release that"),
        ("", "is no symbolic link"),
        ("releases/20260101T000000Z-00000000", "The release folder .* is gone"),
    ],
)
def test_a_current_release_that_is_none_is_reported(releases, leads_to, message):
    (releases.path / "current").unlink()
    if leads_to == "":
        (releases.path / "current").mkdir()
    elif leads_to:
        (releases.path / "current").symlink_to(leads_to)
    for look in (releases.head, lambda: code_layout.check_back(releases.run, releases.move)):
        with pytest.raises(GitError, match=message):
            look()


def test_the_first_release_cannot_be_rolled_back(releases):
    (releases.path / "current").unlink()
    code_layout.forward(releases.run, releases.move)
    assert releases.seen() == ID
    with pytest.raises(GitError, match=f"Nothing is noted in .* of a release before {ID}"):
        code_layout.back(releases.run, releases.move)


@pytest.mark.parametrize("verb", [code_layout.check_forward, code_layout.forward])
def test_a_tree_that_is_not_the_wanted_one_never_becomes_current(releases, verb):
    (releases.path / "releases" / ID / "REVISION").write_text(ONE)
    with pytest.raises(GitError, match=f"holds {ONE}, not {TWO}"):
        verb(releases.run, releases.move)
    (releases.path / "releases" / ID / "REVISION").unlink()
    with pytest.raises(GitError, match="is not a whole release"):
        verb(releases.run, releases.move)
    assert releases.seen() == OLD_ID


def test_rolling_back_twice_or_after_the_clock_was_set_back_leads_to_what_ran_before(releases):
    newer = "20270101T000000Z-33333333"
    (releases.path / "releases" / newer).mkdir()
    (releases.path / "releases" / newer / "REVISION").write_text("3" * 40)
    code_layout.forward(releases.run, releases.move)
    os.utime(releases.path / "releases" / OLD_ID, (1, 1))
    for _time in range(2):
        code_layout.back(releases.run, releases.move)
        assert releases.seen() == OLD_ID


def test_a_rollback_to_a_removed_folder_is_refused_and_current_stays(releases):
    code_layout.forward(releases.run, releases.move)
    (releases.path / "releases" / OLD_ID).rename(releases.path / "moved")
    for verb in (code_layout.check_back, code_layout.back):
        with pytest.raises(GitError, match=f"{OLD_ID} is gone"):
            verb(releases.run, releases.move)
    assert releases.seen() == ID
