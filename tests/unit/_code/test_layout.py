# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import layout as code_layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from code_layouts import ID, Checkout, Killed, Releases

# Every call of the system and every git command that changes something is a step before which a move can die.
STEPS = ("rename", "replace", "mkdir", "unlink", "symlink", "fsync", "open")
GIT_STEPS = ("update-ref", "checkout", "reset")


@pytest.fixture(params=[Checkout, Releases])
def layout(request, tmp_path):
    return request.param(tmp_path / "app") if request.param is Releases else request.param(tmp_path)


@pytest.fixture
def releases(tmp_path):
    return Releases(tmp_path)


def dying_at(monkeypatch, layout, number):
    """Let the move die before its step `number`, and return a run of git that counts as well."""
    left = [number]

    def count():
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def counted(function):
        return lambda *arguments, **more: (count(), function(*arguments, **more))[1]

    for name in STEPS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return lambda words: (words[0] in GIT_STEPS and count(), layout.run(words))[1]


def die(layout, verb, number):
    """Do a verb until it dies at a step; say whether it did."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        run = dying_at(monkeypatch, layout, number)
        try:
            verb(run, layout.move)
        except Killed:
            return True
    return False


def test_forward_and_back_may_be_repeated(layout):
    for verb, files, sha in (
        (code_layout.back, layout.old, layout.move.from_sha),
        (code_layout.forward, layout.new, layout.move.to_sha),
        (code_layout.forward, layout.new, layout.move.to_sha),
        (code_layout.back, layout.old, layout.move.from_sha),
        (code_layout.back, layout.old, layout.move.from_sha),
        (code_layout.forward, layout.new, layout.move.to_sha),
        (code_layout.back, layout.old, layout.move.from_sha),
    ):
        code_layout.check_back(layout.run, layout.move)
        verb(layout.run, layout.move)
        assert (layout.seen(), layout.head()) == (files, sha)


# It dies dozens of times, and the lines are counted elsewhere.
@pytest.mark.no_cover
@pytest.mark.parametrize("verb", [code_layout.forward, code_layout.back])
@pytest.mark.parametrize("kind", [Checkout, Releases])
def test_a_killed_move_can_go_on_in_both_directions(tmp_path, kind, verb):
    (tmp_path / "origin").mkdir()
    original = kind(tmp_path / "origin")
    if verb is code_layout.back:
        code_layout.forward(original.run, original.move)
    number, died = 0, True
    while died:
        for after, files in ((code_layout.back, "old"), (code_layout.forward, "new")):
            layout = original.copy(tmp_path / f"{number}-{files}")
            died = die(layout, verb, number)
            code_layout.check_back(layout.run, layout.move)
            for _time in range(2):
                after(layout.run, layout.move)
                assert layout.seen() == getattr(layout, files)
        number += 1
    assert number > 5


def test_a_database_that_git_has_is_refused_where_code_is_checked_out(layout):
    database = layout.path / "a"
    if layout.move.kind == "in_place":
        with pytest.raises(GitError, match="a is a part of"):
            code_layout.refuse_database(layout.run, layout.move, database)
    else:
        code_layout.refuse_database(layout.run, layout.move, database)


def test_an_error_of_the_system_is_reported_with_its_file(releases):
    (releases.path / f".current.{ID}.partial").mkdir()
    with pytest.raises(GitError, match=r"The code in .* cannot be moved: Is a directory \(.*partial\)"):
        code_layout.forward(releases.run, releases.move)


@pytest.mark.parametrize("kind, folder", [("in_place", "/srv"), ("releases", "/srv/repository")])
def test_git_runs_where_the_objects_are(kind, folder):
    assert code_layout.repository_of(kind, Path("/srv")) == Path(folder)


def test_releases_are_staged_where_they_run(releases):
    assert code_layout.stage_path(releases.run, releases.move) == releases.path / "releases" / ID


def test_a_release_in_a_folder_of_its_own_puts_nothing_aside(tmp_path):
    move = code_layout.Move("releases", tmp_path, "20260219T020000Z-bbbbbbbb", "a" * 40, "b" * 40)
    assert code_layout.put_aside(None, move) == []
