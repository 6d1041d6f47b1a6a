#!/usr/bin/env python3
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make a git repository of the sample app, with a branch for each of its revisions.

    make_repository.py FOLDER

prints a JSON object, name of the revision -> full commit SHA. The SHAs are the same everywhere: author, dates and
settings are fixed. `better` follows `good`, and every bad revision follows `better`. The folder must not exist.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BAD = (
    "crash-at-load",
    "crash-late",
    "degraded",
    "logs-errors",
    "slower",
    "breaking-migration",
    "swallows-errors",
    "fails-requests",
    "slow-upstream",
    "wasteful",
    "poisoned-cache",
)
WHO = "Sample App"
WHEN = "2026-02-19T02:00:00Z"


def git(repository: Path, *arguments: str) -> str:
    """Run git without the settings of the user or the machine, and return what it printed."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(repository),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{role}_NAME": WHO for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_EMAIL": "sample-app@example.com" for role in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{role}_DATE": WHEN for role in ("AUTHOR", "COMMITTER")},
    }
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def commit(repository: Path, branch: str, start: str, files: Path) -> str:
    """Commit the files on a new branch that begins at `start`, and return the SHA."""
    git(repository, "checkout", "--quiet", *(["-b", branch, start] if start else ["--orphan", branch]))
    shutil.copytree(files, repository, dirs_exist_ok=True)
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", f"Make the revision {branch}")
    return git(repository, "rev-parse", "HEAD")


def make_repository(repository: Path) -> dict[str, str]:
    repository.mkdir(parents=True)
    git(repository, "init", "--quiet", "--initial-branch", "main")
    shas = {"good": commit(repository, "good", "", HERE / "app")}
    shas["better"] = commit(repository, "better", "good", HERE / "revisions" / "better")
    for name in BAD:
        shas[name] = commit(repository, name, "better", HERE / "revisions" / name)
    git(repository, "branch", "main", "good")
    git(repository, "checkout", "--quiet", "main")
    return shas


def main() -> int:
    if len(sys.argv) != 2:
        print("Usage: make_repository.py FOLDER", file=sys.stderr)
        return 2
    folder = Path(sys.argv[1])
    if folder.exists():
        print(f"{folder} exists already; name a folder that does not", file=sys.stderr)
        return 2
    print(json.dumps(make_repository(folder.absolute()), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
