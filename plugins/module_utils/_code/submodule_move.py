# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Submodules of a checkout, moved with it: each is a checkout of its own, in which nothing is lost either."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._code import checkout, git, submodules, tree_copy
from ansible_collections.greenlight.release.plugins.module_utils._code.aside import shorten
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run
from ansible_collections.greenlight.release.plugins.module_utils._code.move import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.submodules import (
    Submodule,
    run_in,
    submodules_of,
)


def check(objects: Run, run: Run, path: Path, from_sha: str, to_sha: str) -> None:
    """Raise GitError for what speaks against moving the submodules of a checkout, whose commits may not be fetched yet.

    `objects` is git where the new commit is.
    """
    for each in submodules_of(run, from_sha):
        if _is_there(path, each):
            _refuse_changed(run, path, each)
        _refuse_other_kind(objects, to_sha, each, f"{from_sha} has a submodule {each.path}, {to_sha} has files there")
    for each in submodules_of(objects, to_sha):
        _refuse_other_kind(run, from_sha, each, f"{to_sha} has a submodule {each.path}, {from_sha} has files there")
        _refuse_in_the_way(run, path, each)


def _is_there(path: Path, submodule: Submodule) -> bool:
    return os.path.lexists(str(path / submodule.path / ".git"))


def _refuse_changed(run: Run, path: Path, submodule: Submodule) -> None:
    inside = path / submodule.path
    there = run_in(run, inside)
    status = checkout.read_status(there, inside)
    checkout.refuse_unfinished(there, inside, status, keeps_changes=True)
    if status.changed:
        names = shorten(status.changed)
        raise GitError(f"The submodule {inside} has local changes in {names}; commit them elsewhere or undo them")
    if status.head != submodule.commit:
        raise GitError(
            f"The submodule {inside} is at {status.head}, not at {submodule.commit} as the revision has it; call git "
            f"submodule update in {path}"
        )


def _refuse_other_kind(run: Run, sha: str, submodule: Submodule, problem: str) -> None:
    if any(f"{each.path}/".startswith(f"{submodule.path}/") for each in git.files_of(run, sha)):
        raise GitError(f"{problem}, which is not supported; give one of them another name")


def _refuse_in_the_way(run: Run, path: Path, submodule: Submodule) -> None:
    inside = path / submodule.path
    if _is_there(path, submodule):
        if submodules.has_commit(run, path, submodule):
            there = run_in(run, inside)
            names = [each.path for each in git.files_of(there, submodule.commit)]
            checkout.refuse_in_the_way(there, inside, names, submodule.commit)
    elif inside.is_symlink() or (os.path.lexists(str(inside)) and (not inside.is_dir() or os.listdir(str(inside)))):
        raise GitError(f"{inside} is in the place of a submodule, and no checkout of it; move it away")


def check_fetched(run: Run, path: Path, sha: str) -> None:
    """Raise GitError for a submodule of a commit that was not fetched."""
    for each in submodules_of(run, sha):
        if not submodules.has_commit(run, path, each):
            raise GitError(f"{path} does not have {each.commit} of the submodule {each.path}; fetch it first")


def heads(run: Run, path: Path, sha: str) -> Dict[str, str]:
    """Return the commit to roll each submodule of a checkout back to, by its path, of those that are there.

    It is the one of the old revision, which is not what is there where somebody has moved the checkout by hand.
    """
    return {each.path: _commit_of(run, path, each) for each in submodules_of(run, sha) if _is_there(path, each)}


def _commit_of(run: Run, path: Path, submodule: Submodule) -> str:
    if submodules.has_commit(run, path, submodule):
        return submodule.commit
    inside = path / submodule.path
    return checkout.read_status(run_in(run, inside), inside).head


def forward(run: Run, move: Move, before: Mapping[str, str], again: bool) -> List[str]:
    """Check the submodules of the new commit out, and return what somebody should know.

    `before` has the commits that those which were there are moved from, and `again` says that a move was killed.
    """
    notes = []
    for each in submodules_of(run, move.to_sha):
        inside = move.app_path / each.path
        there, known = run_in(run, inside), each.path in before
        if not _is_there(move.app_path, each):
            _make(run, move.app_path, each)
        if known and again:
            kept = checkout.recover(there, inside, before[each.path], each.commit, owner=move.release_id)
            notes += kept.notes(inside)
        if not known:
            # There was nothing, and what a killed move has left is half of it.
            words = ["checkout", "--quiet", "--force", "--detach", each.commit, "--"]
            git.demand(there(words), f"Cannot check out {each.commit} in {inside}")
        checkout.check_out(there, inside, each.commit)
    return notes


def _make(run: Run, path: Path, submodule: Submodule) -> None:
    """Make an empty checkout of a repository that was fetched."""
    inside, store = path / submodule.path, submodules.store_of(run, path, submodule)
    inside.mkdir(parents=True, exist_ok=True)
    what = f"Cannot make a checkout of the submodule {inside}"
    settings = (("core.bare", "false"), ("core.worktree", os.path.relpath(str(inside), str(store))))
    for name, value in settings:
        git.demand(run_in(run, store)(["config", name, value]), what)
    (inside / ".git").write_text(f"gitdir: {os.path.relpath(str(store), str(inside))}\n", encoding="utf-8")


def check_back(run: Run, path: Path, before: Mapping[str, str]) -> None:
    """Raise GitError when a submodule cannot be rolled back."""
    for name, sha in before.items():
        if not git.has_commit(run_in(run, path / name), sha):
            raise GitError(f"The submodule {path / name} does not have the commit {sha} any more; fetch it first")


def back(run: Run, move: Move, before: Mapping[str, str]) -> List[str]:
    """Roll the submodules back, remove those that were not there, and return what somebody should know."""
    notes: List[str] = []
    for each in submodules_of(run, move.to_sha):
        if each.path not in before and _is_there(move.app_path, each):
            notes += _remove(run, move.app_path / each.path)
    moved = {each.path: each.commit for each in submodules_of(run, move.to_sha)}
    for name, sha in before.items():
        inside = move.app_path / name
        there = run_in(run, inside)
        kept = checkout.recover(there, inside, sha, moved.get(name, sha), True, move.release_id)
        checkout.check_out(there, inside, sha, kept.left)
        notes += kept.notes(inside)
    return notes


def _remove(run: Run, inside: Path) -> List[str]:
    there = run_in(run, inside)
    said = there(["status", "--porcelain", "--ignored", "-uall", "-z"])
    if said.code or said.output:
        return [f"{inside} was not there before, and has files that no revision has; look what they are, and remove it"]
    # Git uses no repository whose checkout is gone.
    git.demand(there(["config", "--unset", "core.worktree"]), f"Cannot remove {inside}")
    tree_copy.remove(inside)
    return []
