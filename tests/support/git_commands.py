# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Git for the preparation of tests: the program itself, without the settings of whoever runs them."""

from __future__ import annotations

import os
import subprocess

IDENTITY = {
    **{f"GIT_{role}_NAME": "t" for role in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{role}_EMAIL": "t@example.com" for role in ("AUTHOR", "COMMITTER")},
}


def git(path, *words):
    """Run git in a folder, and return what it wrote."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(path), "GIT_CONFIG_NOSYSTEM": "1", **IDENTITY}
    command = ["git", "-C", path, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"git {words[0]} failed in {path}: {done.stderr}"
    return done.stdout.strip()


def commit(path, files, message="change"):
    """Write files, commit them, and return the SHA."""
    for name, text in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", message)
    return git(path, "rev-parse", "HEAD")
