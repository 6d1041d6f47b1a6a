# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A git checkout: what is in it, what speaks against moving it, and the move to an exact commit.

No commit is ever made, and no local change is ever lost.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code.aside import (
    BY_HAND,
    Aside,
    blobs_of,
    chunks,
    is_known,
    put_aside,
    put_changes_aside,
    shorten,
)
from ansible_collections.greenlight.release.plugins.module_utils._code.git import (
    GitError,
    Run,
    changed_between,
    demand,
    files_of,
    folder_of,
    has_commit,
    refuse_foreign,
    top_of,
    tree_of,
)
from ansible_collections.greenlight.release.plugins.module_utils._code.space import refuse_no_room
from ansible_collections.greenlight.release.plugins.module_utils._host import proc

_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG", "rebase-merge", "rebase-apply")
# Those that a checkout holds.
_LOCKS = ("index.lock", "HEAD.lock")


@dataclass(frozen=True)
class Status:
    """What `git status` says: the commit that is checked out, and paths that differ from it.

    Submodules that differ are not among the changed paths: each is a checkout of its own.
    """

    head: str
    branch: str
    changed: Tuple[str, ...]
    untracked: Tuple[str, ...]


def parse_status(output: str) -> Status:
    """Read `git status --porcelain=v2 --branch -z`, see git-status(1)."""
    head, branch = "", ""
    changed: List[str] = []
    untracked: List[str] = []
    entries = iter(output.split("\0"))
    for entry in entries:
        if entry.startswith("# branch.oid "):
            head = entry[len("# branch.oid ") :]
        elif entry.startswith("# branch.head "):
            branch = entry[len("# branch.head ") :]
        elif entry.startswith("1 ") and entry.split(" ")[2].startswith("S"):
            continue
        elif entry.startswith("1 "):
            changed.append(entry.split(" ", 8)[8])
        elif entry.startswith("2 "):
            changed.append(entry.split(" ", 9)[9])
            next(entries)  # The path that it was renamed from.
        elif entry.startswith("u "):
            changed.append(entry.split(" ", 10)[10])
        elif entry.startswith("? "):
            untracked.append(entry[2:])
    return Status(head, "" if branch == "(detached)" else branch, tuple(changed), tuple(untracked))


def read_status(run: Run, path: Path) -> Status:
    """Inspect a checkout. Raises GitError when there is none, or it cannot be trusted to be left alone."""
    if not path.is_dir():
        raise GitError(f"{path} is not a folder; clone the repository there first")
    refuse_foreign(path)
    top = top_of(run, path)
    if top.resolve() != path.resolve():
        raise GitError(f"{path} is a folder inside the checkout {top}; give the checkout itself")
    return parse_status(demand(run(["status", "--porcelain=v2", "--branch", "-z", "-uall"]), f"Cannot inspect {path}"))


def refuse_unfinished(run: Run, path: Path, status: Status, keeps_changes: bool = False) -> None:
    """Raise GitError for a checkout with a merge in progress, or a lock on its index, or with local changes.

    With `keeps_changes` those that git sees are no reason: they are going to be put aside.
    """
    folder = folder_of(run, path)
    for name in _UNFINISHED:
        if (folder / name).exists():
            raise GitError(f"{path} is in the middle of a git operation ({name}); finish or abort it")
    for name in _LOCKS:
        if (folder / name).exists():
            raise GitError(f"{folder / name} exists; end the git process that made it, or remove it")
    if status.changed and not keeps_changes:
        raise GitError(
            f"{path} has local changes in {shorten(status.changed)}; commit them elsewhere or undo them, or set "
            f"greenlight_local_changes to keep, which puts them aside"
        )
    unseen = hidden_changes(run, path)
    if unseen:
        raise GitError(
            f"{path} has changes in {shorten(unseen)}, which git was told not to see; commit them elsewhere or undo "
            f"them, and call git update-index --no-skip-worktree --no-assume-unchanged for these files"
        )


def hidden_changes(run: Run, path: Path) -> List[str]:
    """Return the files that differ from the commit although git says nothing, since it was told to pass over them."""
    listed = demand(run(["ls-files", "-v", "-z"]), f"Cannot inspect {path}").split("\0")
    names = [entry[2:] for entry in listed if entry[:1].islower() or entry[:1] == "S"]
    if not names:
        return []
    blobs = blobs_of(run, ["HEAD"], names)
    # A sparse checkout passes over files that are not there.
    return [name for name in names if os.path.lexists(str(path / name)) and not is_known(run, path, name, blobs)]


def refuse_in_the_way(run: Run, path: Path, paths: Sequence[str], sha: str) -> None:
    """Raise GitError when one of the paths of a revision is that of a file which the checkout does not track."""
    tracked = set(demand(run(["ls-files", "-z"]), f"Cannot inspect {path}").split("\0"))
    obstacles = [name for name in paths if name not in tracked and os.path.lexists(str(path / name))]
    if obstacles:
        raise GitError(f"{sha} would overwrite {shorten(obstacles)} in {path}, which git does not track; move it away")


def bring_to(run: Run, path: Path, sha: str, recover_from: Optional[str], check_mode: bool) -> Dict[str, Any]:
    """Bring a checkout to a commit that it has, and return `{changed, sha, head, notes}`; the head was there before.

    `recover_from` is the commit that a killed checkout was moving to, None where none is suspected. Raises
    GitError, and nothing is changed then.
    """
    if not has_commit(run, sha):
        raise GitError(f"{path} does not have the commit {sha}; fetch it first")
    if tree_of(run, sha)[1]:
        raise GitError(f"{sha} has submodules, which only release_switch moves; release it with that")
    kept = Aside()
    if recover_from is not None and not check_mode:
        kept = recover(run, path, recover_from, sha)
    status = read_status(run, path)
    refuse_unfinished(run, path, status)
    changed = status.head != sha
    if changed:
        refuse_in_the_way(run, path, [each.path for each in files_of(run, sha)], sha)
        refuse_no_room(run, path, status.head, sha)
        if not check_mode:
            check_out(run, path, sha)
    return {"changed": changed, "sha": sha, "head": status.head, "notes": kept.notes(path)}


def check_out(run: Run, path: Path, sha: str, left: Sequence[str] = ()) -> None:
    """Check a commit out, detached, never over local changes.

    Raises GitError when the tree is not exactly it, but for the local changes that were `left` in place.
    """
    words = ["checkout", "--quiet", "--no-overwrite-ignore", "--detach", sha, "--"]
    demand(run(words), f"Cannot check out {sha} in {path}")
    status = read_status(run, path)
    changed = [name for name in status.changed if name not in left]
    if status.head != sha or changed:
        raise GitError(f"{path} is not {sha} after the checkout: {shorten(changed) or status.head}")


def recover(run: Run, path: Path, from_sha: str, sha: str, leave_others: bool = False, owner: str = BY_HAND) -> Aside:
    """Complete a checkout that was killed half-way between two commits, and return what was put aside.

    Only files that differ between the two are reset: the rest of the tree is what both commits say. What such a file
    holds is put aside unless one of the commits has it: it may be half of one, or somebody's own. Other local changes
    are left in place with `leave_others`, and else refused. A lock of a checkout is removed, unless the process that
    made it lives: git goes on when only the one that started it was killed. `owner` is the release that does it.
    Raises GitError.
    """
    refuse_living_locks(run, path)
    between = set(changed_between(run, from_sha, sha, submodules=False))
    status = read_status(run, path)
    others = tuple(name for name in status.changed if name not in between)
    if others and not leave_others:
        raise GitError(f"{path} has local changes in {shorten(others)}, which no release made; undo them and try again")
    for name in _LOCKS:
        with contextlib.suppress(FileNotFoundError):
            (folder_of(run, path) / name).unlink()
    tracked = set(demand(run(["ls-files", "-z"]), f"Cannot inspect {path}").split("\0"))
    untracked = sorted(between - tracked)
    differing = {*status.changed, *hidden_changes(run, path)}
    kept = put_aside(run, path, sorted(between & differing) + untracked, (from_sha, sha), owner)
    for name in untracked:
        # What is still there is what a commit has.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            (path / name).unlink()
    _reset(run, path, status.head, between & tracked if others else None)
    return replace(kept, left=others)


def _reset(run: Run, path: Path, head: str, names: Optional[Set[str]]) -> None:
    """Make the files of these paths, or all, what a commit has."""
    what = f"Cannot reset {path} to {head}"
    if names is None:
        demand(run(["reset", "--hard", "--quiet", head]), what)
        return
    words = ["--literal-pathspecs", "restore", f"--source={head}", "--staged", "--worktree", "--"]
    for some in chunks(sorted(names)):
        demand(run([*words, *some]), what)


def clear_changes(run: Run, path: Path, owner: str) -> Aside:
    """Make a checkout what its commit says; the release `owner` puts aside what differed. Raises GitError, OSError."""
    status = read_status(run, path)
    kept = put_changes_aside(run, path, status.changed, owner)
    if status.changed:
        _reset(run, path, status.head, None)
    return kept


def refuse_living_locks(run: Run, path: Path) -> None:
    """Raise GitError for a lock on the checkout whose process lives."""
    for name in _LOCKS:
        _refuse_living_lock(folder_of(run, path) / name)


def _refuse_living_lock(lock: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        status = lock.stat()
        alive = proc.holders(frozenset({(status.st_dev, status.st_ino)}))
        if alive:
            raise GitError(f"{lock} is held by process {proc.describe(alive)}; wait for it to end, or end it")
