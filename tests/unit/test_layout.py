# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _layout
from ansible_collections.greenlight.release.plugins.module_utils._layout import Move
from git_repositories import Repositories

ID = "20260219T020000Z-0639294c"
OLD_ID = "20260218T020000Z-11111111"
ONE, TWO = "1" * 40, "2" * 40
BUILT = ("node_modules", "web/dist")
# Every call of the system that changes a file system, and every git command, is a step at which a move can die.
STEPS = ("rename", "replace", "mkdir", "unlink", "symlink", "fsync", "open")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


class Checkout:
    """The layout in_place, with a stage that holds built paths: one that is replaced, one that is new."""

    def __init__(self, tmp_path):
        self.repositories = Repositories(tmp_path)
        self.run, self.path = self.repositories.run, self.repositories.path
        self.repositories.fetch()
        (self.path / ".git" / "info" / "exclude").write_text("node_modules\nweb/dist\n")
        self.move = Move("in_place", self.path, ID, self.repositories.first, self.repositories.second, BUILT)
        (self.path / "node_modules").mkdir()
        (self.path / "node_modules" / "x").write_text("old")
        stage = _layout.stage_path(self.run, self.move)
        for name in BUILT:
            (stage / name).mkdir(parents=True)
            (stage / name / "x").write_text("new")
        self.old = {"a": "1", "b": "1", "node_modules/x": "old"}
        self.new = {"a": "2", "b": "1", "new/file": "2", "node_modules/x": "new", "web/dist/x": "new"}

    def seen(self):
        files = [path for path in self.path.rglob("*") if path.is_file() and ".git" not in path.parts]
        status = self.repositories.status()
        assert (status.changed, status.untracked) == ((), ())
        return {str(path.relative_to(self.path)): path.read_text() for path in files}

    def head(self):
        return _layout.head(self.run, "in_place", self.path)


class Releases:
    """The layout releases, with the release that runs and one that is staged."""

    def __init__(self, tmp_path):
        self.path = tmp_path
        for release, sha in ((OLD_ID, ONE), (ID, TWO)):
            (tmp_path / "releases" / release).mkdir(parents=True)
            (tmp_path / "releases" / release / "REVISION").write_text(f"{sha}\n")
        (tmp_path / "current").symlink_to(f"releases/{OLD_ID}")
        self.move = Move("releases", tmp_path, ID, ONE, TWO)
        self.old, self.new = OLD_ID, ID

    def run(self, words):
        raise AssertionError(f"git {words} was run")

    def seen(self):
        return (self.path / "current").resolve().name

    def head(self):
        return _layout.head(self.run, "releases", self.path)


@pytest.fixture(params=[Checkout, Releases])
def layout(request, tmp_path):
    return request.param(tmp_path / "app") if request.param is Releases else request.param(tmp_path)


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def releases(tmp_path):
    return Releases(tmp_path)


def dying_at(monkeypatch, layout, number):
    """Let the move die before its step C(number), and return a run of git that counts as well."""
    left = [number]

    def counted(function):
        def call(*arguments, **more):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return function(*arguments, **more)

        return call

    for name in STEPS:
        monkeypatch.setattr(os, name, counted(getattr(os, name)))
    return counted(layout.run) if isinstance(layout, Checkout) else layout.run


def die(layout, verb, number):
    """Do a verb until it dies at a step; say whether it did."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        run = dying_at(monkeypatch, layout, number)
        try:
            verb(run, layout.move)
        except Killed:
            return True
    return False


def test_forward_and_back_lead_there_and_back_and_may_be_repeated(layout):
    for verb, files, sha in (
        (_layout.back, layout.old, layout.move.from_sha),
        (_layout.forward, layout.new, layout.move.to_sha),
        (_layout.forward, layout.new, layout.move.to_sha),
        (_layout.back, layout.old, layout.move.from_sha),
        (_layout.back, layout.old, layout.move.from_sha),
        (_layout.forward, layout.new, layout.move.to_sha),
        (_layout.back, layout.old, layout.move.from_sha),
    ):
        _layout.check_back(layout.run, layout.move)
        verb(layout.run, layout.move)
        assert (layout.seen(), layout.head()) == (files, sha)


@pytest.mark.parametrize("verb", [_layout.forward, _layout.back])
@pytest.mark.parametrize("kind", [Checkout, Releases])
def test_wherever_a_move_is_killed_both_ways_are_open(tmp_path, kind, verb):
    number, died = 0, True
    while died:
        for after, files in ((_layout.back, "old"), (_layout.forward, "new")):
            (tmp_path / f"{number}-{files}").mkdir()
            layout = kind(tmp_path / f"{number}-{files}")
            if verb is _layout.back:
                _layout.forward(layout.run, layout.move)
            died = die(layout, verb, number)
            _layout.check_back(layout.run, layout.move)
            after(layout.run, layout.move)
            assert layout.seen() == getattr(layout, files)
            after(layout.run, layout.move)
            assert layout.seen() == getattr(layout, files)
        number += 1
    assert number > 5
