# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which revision the processes of an app really run, whatever is checked out: somebody may have moved the code.

A process runs what was checked out when it began. Git's reflog says what that was, and where there is none, what PM2
found when it started the process. PM2 may keep an older finding for good, so that it counts less.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import releases
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run

# As many moves of a checkout are looked at; a process that began before all of them is not known by them.
_MOVES = 1000


@dataclass(frozen=True)
class Began:
    """A process that runs: when it began, in seconds since 1970, in which folder it works, and what PM2 found then.

    `revision` is that of the checkout `repository`, both empty where PM2 found none.
    """

    pid: int
    at: float
    folder: str
    revision: str
    repository: str


@dataclass(frozen=True)
class Running:
    """The revision that the processes run, empty where that is not one or not known, and what to tell of it."""

    revision: str
    told: str = ""


def read(processes: Optional[Sequence[Mapping[str, Any]]]) -> Optional[List[Began]]:
    """Return those of the processes that run, which are as pm2_process_info returns them; None where none are given."""
    if processes is None:
        return None
    return [
        Began(
            each["pid"],
            each["started_at"] / 1000,
            each.get("works_in", ""),
            each["revision"],
            each.get("repository", ""),
        )
        for each in processes
        if each["status"] == "online" and each["pid"]
    ]


def find(
    run: Run, kind: str, app_path: Path, head: str, began: Sequence[Began], kept: Sequence[Sequence[str]]
) -> Running:
    """Return what the processes run where `head` is in place.

    `kept` are the ends of earlier releases, in their order, for which the app had not to be restarted: what runs the
    one runs the other as well.
    """
    if not began:
        return Running("", f"No process of the app runs, so that {head} is in place in {app_path} and is not run")
    moves = _moves(run, head) if kind == "in_place" else []
    found = {each.pid: _revision_of(each, kind, app_path, head, moves) for each in began}
    alike = _alike(head, kept)
    others = sorted({revision for revision in found.values() if revision not in alike})
    if not others:
        return Running(head)
    if "" in others:
        pids = ", ".join(str(pid) for pid, revision in sorted(found.items()) if not revision)
        return Running("", f"Nobody can say which revision process {pids} runs, so it is not taken to run {head}")
    return Running(
        others[0] if len(others) == 1 and not alike & {*found.values()} else "",
        f"The app runs {' and '.join(sorted({*found.values()}))}, while {head} is in place in {app_path}: the code was "
        "moved without a restart of the app",
    )


def _revision_of(process: Began, kind: str, app_path: Path, head: str, moves: Sequence[Tuple[int, str]]) -> str:
    if kind == "releases":
        return _released(process, app_path, head)
    before = [sha for at, sha in moves if at <= process.at]
    if before:
        return before[0]
    is_here = process.repository and os.path.realpath(process.repository) == os.path.realpath(str(app_path))
    return process.revision if is_here else ""


def _released(process: Began, app_path: Path, head: str) -> str:
    """Return the commit of the release folder that a process works in; the link shows it where it works elsewhere."""
    folder = Path(process.folder)
    root = Path(os.path.realpath(str(app_path / "releases")))
    if process.folder and root in folder.parents:
        try:
            return releases.revision_of(app_path, folder.relative_to(root).parts[0])
        except GitError:
            return ""
    return head if (app_path / "current").lstat().st_mtime <= process.at else ""


def _moves(run: Run, head: str) -> List[Tuple[int, str]]:
    """Return when HEAD came to which commit, the newest first; [] where git does not keep that, or not any more."""
    listed = run(["log", "--walk-reflogs", "--date=unix", f"--max-count={_MOVES}", "--format=%H %gd", "HEAD", "--"])
    rows = [line.split(" HEAD@{") for line in listed.output.splitlines()] if listed.code == 0 else []
    moves = [(int(at.rstrip("}")), sha) for sha, at in rows]
    return moves if moves and moves[0][1] == head else []


def _alike(head: str, kept: Sequence[Sequence[str]]) -> Set[str]:
    found = {head}
    for old, new in reversed(kept):
        if new in found:
            found.add(old)
    return found
