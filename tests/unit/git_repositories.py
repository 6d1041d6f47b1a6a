# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real repositories for the tests of whatever moves code: an origin with two commits, and a checkout at the first."""

from __future__ import annotations

import os

from ansible_collections.greenlight.release.plugins.module_utils._code import checkout
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from git_commands import commit, git


class Repositories:
    """An origin with two commits, and a checkout at the first."""

    def __init__(self, tmp_path):
        self.origin, self.path = tmp_path / "origin", tmp_path / "checkout"
        self.origin.mkdir()
        git(self.origin, "init", "--quiet", "--initial-branch", "main")
        self.first = commit(self.origin, {"a": "1", "b": "1"}, "first")
        git(tmp_path, "clone", "--quiet", str(self.origin), str(self.path))
        self.second = commit(self.origin, {"a": "2", "new/file": "2"}, "second")
        self.environment = code_git.make_environment({"PATH": os.environ["PATH"], "HOME": str(tmp_path)}, {})
        self.run = code_git.make_run(self.environment, 30, str(self.path))

    def status(self):
        return checkout.read_status(self.run, self.path)

    def fetch(self):
        code_git.fetch(self.run, str(self.origin), self.second)
