# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app in each of the two layouts, ready to be moved, and a move that dies where a test wants it to."""

from __future__ import annotations

import shutil
from copy import copy
from dataclasses import replace

from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import layout as code_layout
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from git_repositories import Repositories

ID = "20260219T020000Z-0639294c"
OLD_ID = "20260218T020000Z-11111111"
ONE, TWO = "1" * 40, "2" * 40
BUILT = ("node_modules", "web/dist")


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
        stage = code_layout.stage_path(self.run, self.move)
        for name in BUILT:
            (stage / name).mkdir(parents=True)
            (stage / name / "x").write_text("new")
        self.old = {"a": "1", "b": "1", "node_modules/x": "old"}
        self.new = {"a": "2", "b": "1", "new/file": "2", "node_modules/x": "new", "web/dist/x": "new"}

    def copy(self, target):
        """Return the same in another place, which saves the time to make it again."""
        shutil.copytree(self.path.parent, target, symlinks=True)
        other = copy(self)
        other.path = target / self.path.name
        other.repositories = copy(self.repositories)
        other.repositories.path = other.path
        other.repositories.run = other.run = code_git.make_run(self.repositories.environment, 30, str(other.path))
        other.move = replace(self.move, app_path=other.path)
        return other

    def seen(self):
        files = [path for path in self.path.rglob("*") if path.is_file() and ".git" not in path.parts]
        status = self.repositories.status()
        assert (status.changed, status.untracked) == ((), ())
        return {str(path.relative_to(self.path)): path.read_text() for path in files}

    def head(self):
        return code_layout.head(self.run, "in_place", self.path)


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

    def copy(self, target):
        shutil.copytree(self.path, target, symlinks=True)
        other = copy(self)
        other.path, other.move = target, replace(self.move, app_path=target)
        return other

    def seen(self):
        return (self.path / "current").resolve().name

    def head(self):
        return code_layout.head(self.run, "releases", self.path)
