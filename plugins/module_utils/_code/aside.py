# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that a move of the code would overwrite or remove, and that git does not have: put aside, and named.

They go to ``<git dir>/greenlight/aside/<number>/``, where nothing removes them, with what `git diff` says of the
tracked ones in ``changes.diff``. That may hold secrets, so it is shown nowhere.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run, demand, folder_of
from ansible_collections.greenlight.release.plugins.module_utils._host import files

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


def put_aside(run: Run, path: Path, names: Sequence[str], commits: Sequence[str]) -> Aside:
    """Move away what lies at these paths of a checkout, unless it is what one of the commits has there.

    Raises GitError, OSError.
    """
    known = blobs_of(run, commits, names)
    places = {place for name in names for place in _foreign(run, path, name, known)}
    # What lies in a folder goes with it.
    foreign = sorted(place for place in places if not places & {str(parent) for parent in Path(place).parents})
    if not foreign:
        return Aside()
    return _move_aside(run, path, foreign)


def put_changes_aside(run: Run, path: Path, names: Sequence[str]) -> Aside:
    """Move local changes away, also those that only remove a file: the patch has them. Raises GitError, OSError."""
    return _move_aside(run, path, sorted(names)) if names else Aside()


def _move_aside(run: Run, path: Path, foreign: Sequence[str]) -> Aside:
    folder = _new_folder(folder_of(run, path) / "greenlight" / "aside")
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


def _new_folder(parent: Path) -> Path:
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    number = 1
    while True:
        try:
            (parent / str(number)).mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise GitError(f"{parent} cannot keep what is put aside: {files.explain(error)}") from error
        else:
            return parent / str(number)
