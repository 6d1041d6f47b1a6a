# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app with submodules in one of the layouts: one that a release changes, and one that it adds."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile
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
        self.folder, self.kind, self.path = folder, kind, folder / "app"
        self.origin, self.library = folder / "origin", folder / "library"
        self.where = layout.repository_of(kind, self.path)
        self.environment = code_git.make_environment({"PATH": os.environ["PATH"], "HOME": str(folder)}, {})
        made, shas = _made(kind)
        shutil.copytree(made, folder, symlinks=True, dirs_exist_ok=True)
        self.plain, self.first, self.second, self.lib_first, self.lib_second, self.theme = shas
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


@functools.lru_cache(maxsize=None)
def _made(kind):
    """Make the repositories and the app once, and return where they are, with the commits: tests have copies."""
    folder = Path(tempfile.mkdtemp(prefix="greenlight-submodules-"))
    atexit.register(shutil.rmtree, folder)
    origin, library, theme = (folder / name for name in ("origin", "library", "theme"))
    for path in (origin, library, theme):
        git(folder, "init", "--quiet", "--initial-branch=main", path)
    commit(library, {"index.js": "0", "same": "same"})
    lib_first = commit(library, {"index.js": "1"})
    theme_sha = commit(theme, {"theme.css": "a"})
    plain = commit(origin, {"server.js": "0"})
    git(origin, *ALLOWED, "submodule", "--quiet", "add", "--name", "lib", "../library", "lib")
    first = commit(origin, {"server.js": "1"})
    _deploy(folder, kind, first)
    git(origin / "lib", "remote", "set-url", "origin", "../../library")
    lib_second = commit(library, {"index.js": "2"})
    git(origin / "lib", "fetch", "--quiet")
    git(origin / "lib", "checkout", "--quiet", lib_second)
    git(origin, *ALLOWED, "submodule", "--quiet", "add", "--name", "theme", "../theme", "web/theme")
    return folder, (plain, first, commit(origin, {"server.js": "2"}), lib_first, lib_second, theme_sha)


def _deploy(folder, kind, sha):
    origin, path = folder / "origin", folder / "app"
    if kind == "in_place":
        git(folder, *ALLOWED, "clone", "--quiet", "--recurse-submodules", str(origin), str(path))
        # Tests have copies of all of it.
        git(path, "remote", "set-url", "origin", "../origin")
        git(path / "lib", "remote", "set-url", "origin", "../../library")
        return
    running = path / "releases" / OLD_ID
    running.mkdir(parents=True)
    (running / "REVISION").write_text(f"{sha}\n")
    (path / "current").symlink_to(f"releases/{OLD_ID}")
    git(folder, "clone", "--quiet", "--bare", str(origin), str(path / "repository"))
