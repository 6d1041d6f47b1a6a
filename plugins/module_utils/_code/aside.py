# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a move of the code would overwrite or remove, and that git does not have: put aside, and named.

They go to ``<git dir>/greenlight/aside/<release id>.<number>/``, with what `git diff` says of the tracked ones in
``changes.diff``. That may hold secrets, so it is shown nowhere. What the newest releases put aside is kept, and what is
of no release.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import tree_copy
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run, demand, folder_of
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_release_id

# Whose it is that no release has put aside.
BY_HAND = "by-hand"
_KEPT_RELEASES = 20
# As many paths as a command surely takes, of the longest that Linux has.
_AT_ONCE = 200


@dataclass(frozen=True)
class Aside:
    """What was put aside, in which folder, None for nothing, and which local changes were left in place."""

    paths: Tuple[str, ...] = ()
    folder: Optional[Path] = None
    left: Tuple[str, ...] = ()

    def notes(self, path: Path) -> List[str]:
        """Return a sentence for each thing that somebody should know."""
        found = []
        if self.paths:
            names = shorten(self.paths)
            found.append(f"{names} in {path} held what no revision of the release has, and is kept in {self.folder}")
        if self.left:
            names = shorten(self.left)
            found.append(f"{path} has local changes in {names}, which no release made; they were left as they are")
        return found


def shorten(paths: Sequence[str]) -> str:
    return ", ".join(paths[:5]) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def put_aside(run: Run, path: Path, names: Sequence[str], commits: Sequence[str], owner: str = BY_HAND) -> Aside:
    """Move away what lies at these paths of a checkout, unless it is what one of the commits has there.

    `owner` is the id of the release that does it. Raises GitError, OSError.
    """
    known = blobs_of(run, commits, names)
    places = {place for name in names for place in _foreign(run, path, name, known)}
    # What lies in a folder goes with it.
    foreign = sorted(place for place in places if not places & {str(parent) for parent in Path(place).parents})
    if not foreign:
        return Aside()
    return _move_aside(run, path, foreign, owner)


def put_changes_aside(run: Run, path: Path, names: Sequence[str], owner: str) -> Aside:
    """Move local changes away, also those that only remove a file: the patch has them. Raises GitError, OSError."""
    return _move_aside(run, path, sorted(names), owner) if names else Aside()


def folders_of(run: Run, path: Path, release_id: str) -> List[Path]:
    """Return the folders of what a release has put aside. Raises GitError."""
    return sorted(_place_in(run, path).glob(f"{release_id}.*"), key=lambda folder: int(folder.suffix[1:]))


def prune(run: Run, path: Path, keep: int = _KEPT_RELEASES) -> List[str]:
    """Remove what older releases than the newest `keep` put aside, and return what could not be. Raises GitError."""
    parent = _place_in(run, path)
    names = os.listdir(str(parent)) if parent.is_dir() else []
    owners = {name: name.rpartition(".")[0] for name in names}
    old = sorted(owner for owner in set(owners.values()) if is_release_id(owner))[:-keep]
    told = []
    for name in sorted(name for name in names if owners[name] in old):
        try:
            tree_copy.remove(parent / name)
        except OSError as error:
            why = files.explain(error)
            told.append(f"{parent / name} is older than what is kept, and cannot be removed: {why}; remove it")
    return told


def _place_in(run: Run, path: Path) -> Path:
    return folder_of(run, path) / "greenlight" / "aside"


def _move_aside(run: Run, path: Path, foreign: Sequence[str], owner: str) -> Aside:
    folder = _new_folder(_place_in(run, path), owner)
    changes = "".join(
        demand(
            run(["--literal-pathspecs", "diff", "--no-ext-diff", "--no-textconv", "--binary", "HEAD", "--", *some]),
            f"Cannot compare {path}",
        )
        for some in chunks(foreign)
    )
    files.write_synced(folder / "changes.diff", changes)
    for name in foreign:
        if not os.path.lexists(str(path / name)):
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # The git directory may lie on another filesystem.
        shutil.move(str(path / name), str(folder / name))
    return Aside(tuple(foreign), folder)


def chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def blobs_of(run: Run, commits: Sequence[str], names: Sequence[str]) -> Dict[str, Set[str]]:
    """Return the objects that the commits have at each path."""
    found: Dict[str, Set[str]] = {}
    for commit in commits:
        for some in chunks(names):
            listed = run(["--literal-pathspecs", "ls-tree", "-r", "-z", commit, "--", *some])
            for entry in demand(listed, f"Cannot read {commit}").split("\0")[:-1]:
                about, _tab, name = entry.partition("\t")
                found.setdefault(name, set()).add(about.split(" ")[2])
    return found


def _foreign(run: Run, path: Path, name: str, known: Dict[str, Set[str]]) -> List[str]:
    """Return what must be moved away so that a file can be put at a path: what is there, or a file above it."""
    for parent in reversed(Path(name).parents):
        place = path / parent
        if os.path.lexists(str(place)) and (place.is_symlink() or not place.is_dir()):
            return [str(parent)]
    if not os.path.lexists(str(path / name)):
        return []
    return [] if is_known(run, path, name, known) else [name]


def is_known(run: Run, path: Path, name: str, known: Dict[str, Set[str]]) -> bool:
    """Say whether a file is what one of the commits has there."""
    return _blob_of(run, path, name) in known.get(name, set())


def _blob_of(run: Run, path: Path, name: str) -> str:
    """Return the object that git would make of a file, empty for what is no plain file."""
    if not stat.S_ISREG((path / name).lstat().st_mode):
        return ""
    return demand(run(["hash-object", "--", name]), f"Cannot read {path / name}").strip()


def _new_folder(parent: Path, owner: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = 1
    while True:
        try:
            (parent / f"{owner}.{number}").mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise GitError(f"{parent} cannot keep what is put aside: {files.explain(error)}") from error
        else:
            return parent / f"{owner}.{number}"
