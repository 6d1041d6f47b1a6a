# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app in one of the layouts, with a commit to stage."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import layout, stage_plan
from ansible_collections.greenlight.release.plugins.module_utils._code import stage as code_stage
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.stage_plan import Wanted
from git_commands import commit, git
from git_repositories import Repositories

ID, OLD_ID = "20260219T020000Z-0639294c", "20260218T020000Z-11111111"


class Host:
    """An app in one of the layouts, with a commit to stage, built paths and, in releases, shared ones."""

    def __init__(self, tmp_path, kind):
        self.repositories = Repositories(tmp_path)
        self.kind, self.path, self.sha = kind, self.repositories.path, self.repositories.second
        self.running = self.path
        if kind == "releases":
            self.path = tmp_path / "app"
            self.running = self.path / "releases" / OLD_ID
            self.running.mkdir(parents=True)
            (self.running / "REVISION").write_text(f"{self.repositories.first}\n")
            (self.path / "current").symlink_to(f"releases/{OLD_ID}")
            (self.path / "shared" / "data").mkdir(parents=True)
            git(tmp_path, "clone", "--quiet", "--bare", str(self.repositories.origin), str(self.path / "repository"))
        else:
            self.repositories.fetch()
        (self.running / "node_modules").mkdir()
        (self.running / "node_modules" / "x").write_text("built")
        self.where = layout.repository_of(kind, self.path)
        self.run = code_git.make_run(self.repositories.environment, 30, str(self.where))
        index = {**self.repositories.environment, "GIT_INDEX_FILE": str(tmp_path / "index")}
        self.run_with_index = code_git.make_run(index, 30, str(self.where))

    def commit(self, files):
        """Let the commit to stage hold further files."""
        self.sha = commit(self.repositories.origin, files)
        code_git.fetch(self.run, str(self.repositories.origin), self.sha)

    def wanted(self, built=("node_modules",), shared=(), anew=(), databases=()):
        return Wanted(Move(self.kind, self.path, ID, self.sha, self.sha, built, shared), anew, databases)

    def plan(self, **more):
        return stage_plan.plan(self.run, self.wanted(**more))

    def stage(self, **more):
        planned = self.plan(**more)
        code_stage.stage(self.run_with_index, self.wanted(**more).move, planned)
        return planned

    def snapshot(self):
        """Return what exists, without what is kept outside of the running tree."""
        found = {}
        for folder, _folders, files in os.walk(self.path):
            for name in files:
                path = Path(folder) / name
                found[str(path.relative_to(self.path))] = path.read_bytes() if not path.is_symlink() else b"->"
        return found
