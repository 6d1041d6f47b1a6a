# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a staged tree has only while commands build in it: its place, git of the new revision, and settings files.

Without its own `.git` a tree in the git directory of a checkout would be taken for the old revision, and programs that
pass over all that lies in a `.git` would build nothing: it lies in `.greenlight` of the checkout meanwhile. The
settings files of a checkout, such as `.env`, are no part of a revision: they stay, and links lead to them.
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
def build_place(run: Run, move: Move, stage: Path, folders: Sequence[str]) -> Iterator[Path]:
    """Make the tree a place to build in, and give where it lies. `folders` of it are those with settings files.

    Raises GitError, OSError.
    """
    links: List[Path] = []
    with _outside_of_git(move, stage) as place:
        try:
            _lend_git(run, move, place)
            if move.kind == "in_place":
                for folder in dict.fromkeys(folders):
                    links += _lend_settings(move.app_path / folder, place / folder)
            yield place
        finally:
            tree_copy.remove(place / ".git")
            for link in links:
                # A command may have put a file of its own there.
                if link.is_symlink():
                    link.unlink()


@contextlib.contextmanager
def _outside_of_git(move: Move, stage: Path) -> Iterator[Path]:
    """Let the tree lie outside of the git directory, unless that is on another filesystem."""
    folder = working_folder(move.app_path, move.release_id)
    moves = ".git" in stage.parts and stage.parent.stat().st_dev == move.app_path.stat().st_dev
    if not moves:
        yield stage
        return
    # What a killed run has left.
    tree_copy.remove(folder)
    folder.mkdir(parents=True, mode=0o700)
    os.rename(str(stage), str(folder / "new"))
    try:
        yield folder / "new"
    finally:
        os.rename(str(folder / "new"), str(stage))
        remove_working_folder(move.app_path, move.release_id)


def working_folder(app_path: Path, release_id: str) -> Path:
    return app_path / ".greenlight" / release_id


def remove_working_folder(app_path: Path, release_id: str) -> None:
    """Remove where a release is built, and the folder of all of them when it is the last one. Raises OSError."""
    folder = working_folder(app_path, release_id)
    tree_copy.remove(folder)
    # Another app may be built in the same checkout.
    with contextlib.suppress(OSError):
        folder.parent.rmdir()


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
