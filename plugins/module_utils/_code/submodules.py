# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Submodules of a commit: where they come from, their repositories on the host, and their trees.

Git knows the commit of each and nothing more: the rest is in `.gitmodules`. In a checkout a submodule is one of its
own, with the repository in `<git dir>/modules/<name>`, as git itself puts it; in the layout releases its files are a
part of each release folder. Submodules of submodules are refused.
"""

from __future__ import annotations

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git, lfs
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Entry, GitError, Run

_NAME = re.compile(r"[\w@+-][\w.@+-]*(?:/[\w@+-][\w.@+-]*)*")
_REMOTE = re.compile(r"(?:https?|ssh|git)://|[\w.-]+@[\w.-]+:")


@dataclass(frozen=True)
class Submodule:
    """A submodule at `path` of the tree, which is at `commit`; `name` is that of its repository on the host."""

    path: str
    commit: str
    name: str
    url: str


Rehearse = Callable[[Submodule], Run]


@functools.lru_cache(maxsize=None)
def submodules_of(run: Run, sha: str) -> Tuple[Submodule, ...]:
    """Return the submodules of a commit, with their URLs as they are written. Raises GitError."""
    links = git.tree_of(run, sha)[1]
    if not links:
        return ()
    known = _read_settings(run, sha)
    missing = [path for path in sorted(links) if path not in known]
    if missing:
        raise GitError(f"{sha} has no URL for the submodule {missing[0]} in .gitmodules; add it there")
    return tuple(Submodule(path, links[path], *known[path]) for path in sorted(links))


def _read_settings(run: Run, sha: str) -> Dict[str, Tuple[str, str]]:
    """Return the name and the URL of the submodule at each path."""
    words = ["config", "--blob", f"{sha}:.gitmodules", "-z", "--get-regexp", r"^submodule\..*\.(path|url)$"]
    given: Dict[str, Dict[str, str]] = {}
    for line in filter(None, run(words).output.split("\0")):
        key, _newline, value = line.partition("\n")
        name, _dot, kind = key[len("submodule.") :].rpartition(".")
        given.setdefault(name, {})[kind] = value
    wrong = [name for name in given if not _NAME.fullmatch(name)]
    if wrong:
        raise GitError(f"{sha} has a submodule called {wrong[0]!r}, which cannot be a folder; rename it")
    return {each["path"]: (name, each["url"]) for name, each in given.items() if {"path", "url"} <= set(each)}


def url_of(submodule: Submodule, repository: str) -> str:
    """Return where a submodule is fetched from. Raises GitError for a URL that a commit must not name.

    A relative one is relative to the repository, as git has it. A folder of this host is only for a repository that is
    one itself: else whoever can push would choose what is read here.
    """
    url = submodule.url
    if url.startswith(("./", "../")):
        return _join(repository.rstrip("/"), url)
    if _REMOTE.match(url) or (not _REMOTE.match(repository) and url.startswith(("/", "file://"))):
        return url
    raise GitError(f"The submodule {submodule.path} has the URL {git.mask(url)!r}, which is not fetched; correct it")


def _join(repository: str, relative: str) -> str:
    if "://" in repository:
        scheme, _slashes, rest = repository.partition("://")
        return f"{scheme}://{os.path.normpath(f'{rest}/{relative}')}"
    host, colon, path = repository.partition(":")
    return f"{host}:{os.path.normpath(f'{path}/{relative}')}" if colon else os.path.normpath(f"{host}/{relative}")


@functools.lru_cache(maxsize=None)
def run_in(run: Run, path: Path) -> Run:
    """Return git in another folder of the host."""

    def there(words: Sequence[str]) -> git.Done:
        return run(["-C", str(path), *words])

    return there


def store_of(run: Run, path: Path, submodule: Submodule) -> Path:
    """Return the repository of a submodule of the checkout, or bare repository, at `path`."""
    inside = path / submodule.path
    if os.path.lexists(str(inside / ".git")):
        return git.folder_of(run_in(run, inside), inside)
    return git.folder_of(run, path) / "modules" / submodule.name


def has_commit(run: Run, path: Path, submodule: Submodule) -> bool:
    """Say whether the host has the commit of a submodule."""
    store = store_of(run, path, submodule)
    return (store / "HEAD").is_file() and git.has_commit(run_in(run, store), submodule.commit)


def fetch(objects: Run, run: Run, path: Path, repository: str, sha: str, rehearse: Optional[Rehearse] = None) -> bool:
    """Fetch the commits of submodules that the host does not have, and say whether there were any.

    `objects` is git where the commit is, and `run` that of the host. With `rehearse`, which gives git in a new folder,
    nothing of the host is changed. Raises GitError, OSError.
    """
    fetched = False
    for each in submodules_of(objects, sha):
        url, store = url_of(each, repository), store_of(run, path, each)
        present, there = has_commit(run, path, each), run_in(run, store)
        if not present:
            there = rehearse(each) if rehearse else _create(run, store)
            git.fetch(there, url, each.commit)
            fetched = True
        lfs.fetch(there, url, each.commit, check_mode=rehearse is not None)
        inner = git.tree_of(there, each.commit)[1]
        if inner:
            raise GitError(
                f"The submodule {each.path} of {sha} has submodules itself ({min(inner)}), which are not supported; "
                f"make them submodules of the repository"
            )
    return fetched


def _create(run: Run, store: Path) -> Run:
    if not (store / "HEAD").is_file():
        store.parent.mkdir(parents=True, exist_ok=True)
        git.demand(run(["init", "--quiet", "--bare", str(store)]), f"Cannot create the repository {store}")
    return run_in(run, store)


def known_entries_of(objects: Run, run: Run, path: Path, sha: str) -> List[Entry]:
    """Return the files of the submodules of a commit, of those that were fetched. Raises GitError.

    `objects` is git where the commit is, and `run` that of the host.
    """
    known = [each for each in submodules_of(objects, sha) if has_commit(run, path, each)]
    return [entry for each in known for entry in _entries(run, path, each)]


def changed_files(objects: Run, run: Run, path: Path, old: str, sha: str) -> List[str]:
    """Return the files that differ between two commits in their submodules, of those that were fetched.

    Before a first release, with an empty `old`, that is all of them. Raises GitError.
    """
    before = {each.path: each.commit for each in (submodules_of(objects, old) if old else ())}
    found = []
    for each in submodules_of(objects, sha):
        was = before.get(each.path, "")
        if was == each.commit or not has_commit(run, path, each):
            continue
        there = run_in(run, store_of(run, path, each))
        if was and git.has_commit(there, was):
            found += [f"{each.path}/{name}" for name in git.changed_between(there, was, each.commit)]
        else:
            found += [entry.path for entry in _entries(run, path, each)]
    return found


def entries_of(run: Run, path: Path, sha: str) -> List[Entry]:
    """Return the files of all submodules of a commit that was fetched, by their paths in its tree. Raises GitError."""
    return [entry for each in submodules_of(run, sha) for entry in _entries(run, path, each)]


def _entries(run: Run, path: Path, submodule: Submodule) -> List[Entry]:
    there = run_in(run, store_of(run, path, submodule))
    return [Entry(f"{submodule.path}/{each.path}", each.size) for each in git.files_of(there, submodule.commit)]


def export(run_with_index: Run, path: Path, sha: str, target: Path) -> None:
    """Put the files of all submodules of a commit into a tree of it. Raises GitError, OSError."""
    for each in submodules_of(run_with_index, sha):
        there = run_in(run_with_index, store_of(run_with_index, path, each))
        place = target / each.path
        place.mkdir(parents=True, exist_ok=True)
        what = f"Cannot export the submodule {each.path} of {sha} to {target}"
        # Its index would else be that of the tree around it.
        git.demand(there(["read-tree", "--empty"]), what)
        git.demand(there([f"--work-tree={place}", "read-tree", "--reset", "-u", each.commit]), what)
