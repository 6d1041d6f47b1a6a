# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a staged tree has only while commands build in it: git of the new revision, and the app's settings files.

Without its own `.git` a tree in the git directory of a checkout would be taken for the old revision. The settings files
of a checkout, such as `.env`, are no part of a revision: they stay where they are, and links lead to them.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator, List, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._code import git, tree_copy
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Run
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move


@contextlib.contextmanager
def build_place(run: Run, move: Move, stage: Path, folders: Sequence[str]) -> Iterator[None]:
    """Make the tree a place to build in. `folders` of it are those with settings files. Raises GitError, OSError."""
    links: List[Path] = []
    try:
        _lend_git(run, move, stage)
        if move.kind == "in_place":
            for folder in dict.fromkeys(folders):
                links += _lend_settings(move.app_path / folder, stage / folder)
        yield
    finally:
        tree_copy.remove(stage / ".git")
        for link in links:
            # A command may have put a file of its own there.
            if link.is_symlink():
                link.unlink()


def _lend_git(run: Run, move: Move, stage: Path) -> None:
    """Make a git directory that shares all but its HEAD and its index with that of the app."""
    words = ["rev-parse", "--path-format=absolute", "--git-common-dir"]
    common = git.demand(run(words), f"Cannot inspect {move.app_path}").strip()
    folder = stage / ".git"
    # What a killed run has left.
    tree_copy.remove(folder)
    folder.mkdir()
    (folder / "commondir").write_text(f"{common}\n", encoding="utf-8")
    (folder / "HEAD").write_text(f"{move.to_sha}\n", encoding="ascii")
    done = run([f"--git-dir={folder}", f"--work-tree={stage}", "read-tree", move.to_sha])
    git.demand(done, f"Cannot make {stage} a place to build in")


def _lend_settings(running: Path, stage: Path) -> List[Path]:
    if not running.is_dir() or not stage.is_dir():
        return []
    made = []
    for source in sorted(running.glob(".env*")):
        link = stage / source.name
        if source.is_file() and not os.path.lexists(str(link)):
            link.symlink_to(source)
            made.append(link)
    return made
