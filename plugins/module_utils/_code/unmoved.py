# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What commands made in a staged tree and no release would move: neither the commit nor a built path has it."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import Iterator, Sequence, Set

from ansible_collections.greenlight.release.plugins.module_utils._code.aside import shorten
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError


def refuse_unmoved(stage: Path, tracked: Sequence[str], built_paths: Sequence[str]) -> None:
    """Raise GitError when the new revision would run without something that its commands made. Raises OSError."""
    if not stage.is_dir():
        return
    parents = {str(parent) for path in (*tracked, *built_paths) for parent in PurePosixPath(path).parents}
    found = sorted(_unknown(stage, "", {*tracked, *built_paths}, parents))
    if found:
        raise GitError(
            f"The install and build commands made {shorten(found)}, which no release would move into place; add what "
            f"the app needs to greenlight_built_paths, and let the commands remove the rest"
        )


def _unknown(stage: Path, below: str, known: Set[str], parents: Set[str]) -> Iterator[str]:
    """Yield the outermost paths that are neither known nor above something that is."""
    for entry in os.scandir(str(stage / below)):
        name = f"{below}{entry.name}"
        if name in known:
            continue
        if name in parents and entry.is_dir(follow_symlinks=False):
            yield from _unknown(stage, f"{name}/", known, parents)
        else:
            yield name
