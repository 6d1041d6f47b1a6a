# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tree of a revision, built while the old one runs: exported, completed from the running tree, and linked.

It is made under a temporary name and renamed when it is whole, so that a tree with its final name can be relied on.
Nothing of the running tree, its index or its commit is touched, and a full disk costs only the new tree.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Iterator

from ansible_collections.greenlight.release.plugins.module_utils._code import git, submodules, tree_copy
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move, repository_of
from ansible_collections.greenlight.release.plugins.module_utils._code.move import lies_free
from ansible_collections.greenlight.release.plugins.module_utils._code.stage_plan import Planned, marker_of
from ansible_collections.greenlight.release.plugins.module_utils._host import files

# What a full filesystem may still say that it has, in bytes.
_FULL = 1 << 20


def stage(run_with_index: Run, move: Move, planned: Planned) -> None:
    """Make the tree that was planned. `run_with_index` is git with an index file that is no checkout's.

    Raises GitError or OSError, and leaves nothing behind then.
    """
    partial = planned.path.with_name(f".{planned.path.name}.partial")
    with _umask_of(move.app_path):
        planned.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            tree_copy.remove(partial)
            partial.mkdir()
            _export(run_with_index, move.to_sha, partial)
            submodules.export(run_with_index, repository_of(move.kind, move.app_path), move.to_sha, partial)
            _carry_over(partial, move, planned)
            _link(partial, move, planned)
            _finish(partial, move, planned)
        except BaseException:
            tree_copy.remove(partial)
            raise


@contextlib.contextmanager
def _umask_of(app_path: Path) -> Iterator[None]:
    """Make files that those can read who can read the app's folder, and that nobody else can write."""
    before = os.umask(~app_path.stat().st_mode & 0o077 | 0o022)
    try:
        yield
    finally:
        os.umask(before)


def _export(run_with_index: Run, sha: str, partial: Path) -> None:
    done = run_with_index([f"--work-tree={partial}", "read-tree", "--reset", "-u", sha])
    free = os.statvfs(str(partial))
    # Git names the files that it could not write, and not why.
    if done.code and free.f_bavail * free.f_frsize < _FULL:
        raise GitError(f"There is no space left in {partial.parent} for {sha}; free some, or keep fewer releases")
    git.demand(done, f"Cannot export {sha} to {partial}")


def _carry_over(partial: Path, move: Move, planned: Planned) -> None:
    for name in planned.carry_over:
        target = _parents_of(partial, move, name)
        tree_copy.copy(planned.running / name, target, planned.running if move.kind == "releases" else None)


def _link(partial: Path, move: Move, planned: Planned) -> None:
    for name in planned.link:
        target = _parents_of(partial, move, name)
        tree_copy.remove(target)
        target.symlink_to(os.path.relpath(str(move.app_path / "shared" / name), str((planned.path / name).parent)))


def _parents_of(partial: Path, move: Move, name: str) -> Path:
    """Return the path of something to add to the tree, after its folders were made. Raises GitError for links there."""
    if not lies_free(partial, name):
        raise GitError(f"A folder above {name} is a link or a file in {move.to_sha}; make it a plain folder")
    (partial / name).parent.mkdir(parents=True, exist_ok=True)
    return partial / name


def _finish(partial: Path, move: Move, planned: Planned) -> None:
    """Wait until the tree is on the disk, then give it its name."""
    marker = marker_of(move, partial)
    tree_copy.remove(marker)
    marker.write_text(f"{move.to_sha}\n", encoding="ascii")
    # All at once, since a file at a time would take minutes.
    files.sync_filesystem(partial)
    os.rename(str(partial), str(planned.path))
    files.sync(planned.path.parent)
