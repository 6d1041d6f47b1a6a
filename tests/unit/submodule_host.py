# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app with submodules in one of the layouts: one that a release changes, and one that it adds."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.greenlight.release.plugins.module_utils._code import fetch as code_fetch
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import layout, stage_plan
from ansible_collections.greenlight.release.plugins.module_utils._code import stage as code_stage
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.stage_plan import Wanted
from git_commands import commit, git

ID, OLD_ID = "20260219T020000Z-0639294c", "20260218T020000Z-11111111"
ALLOWED = ("-c", "protocol.file.allow=always")


class Host:
    """The app is at the first of two commits. `plain` is one before it, without submodules."""

    def __init__(self, folder, kind):
        self.folder, self.kind = folder, kind
        self.origin, self.library = folder / "origin", folder / "library"
        for name in ("origin", "library", "theme"):
            git(folder, "init", "--quiet", "--initial-branch=main", folder / name)
        self.lib_first = commit(self.library, {"index.js": "1", "same": "same", ".gitignore": ""}, "first")
        git(self.library, "rm", "--quiet", ".gitignore")
        self.lib_first = commit(self.library, {"index.js": "1"}, "without")
        self.theme = commit(folder / "theme", {"theme.css": "a"})
        self.plain = commit(self.origin, {"server.js": "0"})
        git(self.origin, *ALLOWED, "submodule", "--quiet", "add", "--name", "lib", "../library", "lib")
        self.first = commit(self.origin, {"server.js": "1"})
        self._deploy()
        self.lib_second = commit(self.library, {"index.js": "2"}, "second")
        git(self.origin / "lib", "fetch", "--quiet")
        git(self.origin / "lib", "checkout", "--quiet", self.lib_second)
        git(self.origin, *ALLOWED, "submodule", "--quiet", "add", "--name", "theme", "../theme", "web/theme")
        self.second = commit(self.origin, {"server.js": "2"})

    def _deploy(self):
        self.environment = code_git.make_environment({"PATH": os.environ["PATH"], "HOME": str(self.folder)}, {})
        self.path = self.folder / "app"
        if self.kind == "in_place":
            git(self.folder, *ALLOWED, "clone", "--quiet", "--recurse-submodules", str(self.origin), str(self.path))
        else:
            running = self.path / "releases" / OLD_ID
            running.mkdir(parents=True)
            (running / "REVISION").write_text(f"{self.first}\n")
            (self.path / "current").symlink_to(f"releases/{OLD_ID}")
            git(self.folder, "clone", "--quiet", "--bare", str(self.origin), str(self.path / "repository"))
        self.where = layout.repository_of(self.kind, self.path)
        self.run = self.make_run(self.where)

    def make_run(self, where):
        return code_git.make_run(self.environment, 30, str(where))

    def fetch(self, sha=None, rehearse=False):
        temporary = self.folder / "rehearsal" if rehearse else None
        place = code_fetch.Place(self.kind, self.path, self.make_run, temporary)
        # What was fetched is seen by a new run, as by the next module.
        return code_fetch.fetch(place, str(self.origin), sha or self.second)

    def point(self, name, sha):
        """Commit another commit of a submodule."""
        git(self.origin / name, "fetch", "--quiet")
        git(self.origin / name, "checkout", "--quiet", sha)
        return commit(self.origin, {}, "point")

    def move(self, from_sha=None, to_sha=None):
        return Move(self.kind, self.path, ID, from_sha or self.first, to_sha or self.second)

    def plan_stage(self, **more):
        move = self.move()
        return stage_plan.plan(self.make_run(self.where), Wanted(move), **more)

    def stage(self):
        planned = self.plan_stage()
        environment = {**self.environment, "GIT_INDEX_FILE": str(self.folder / "index")}
        code_stage.stage(code_git.make_run(environment, 30, str(self.where)), self.move(), planned)
        return planned.path

    def seen(self):
        """Return the files of a checkout, of which git says that nothing is other than in its commit."""
        assert git(self.path, "status", "--porcelain") == ""
        files = [path for path in self.path.rglob("*") if path.is_file() and ".git" not in Path(path).parts]
        found = {str(path.relative_to(self.path)): path.read_text() for path in files}
        return {name: text for name, text in found.items() if name != ".gitmodules"}
