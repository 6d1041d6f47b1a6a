# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that Git LFS keeps elsewhere: without it, a checkout holds a few lines that point to each.

They are fetched with the commit, so that a checkout finds them on the host, and waits for nobody.
"""

from __future__ import annotations

from typing import List

from ansible_collections.greenlight.release.plugins.module_utils._code.aside import shorten
from ansible_collections.greenlight.release.plugins.module_utils._code.git import (
    GitError,
    Run,
    demand,
    mask,
    split_credentials,
)


def fetch(run: Run, repository: str, sha: str, check_mode: bool = False) -> None:
    """Fetch the files of Git LFS that a commit has, but in check mode.

    Raises GitError when they cannot be fetched, and when this host has no Git LFS.
    """
    found = pointers(run, sha)
    if not found:
        return
    if run(["lfs", "version"]).code != 0:
        raise GitError(
            f"{sha} keeps {shorten(found)} in Git LFS, which is not installed on this host, so the app would get "
            f"pointers; install git-lfs"
        )
    if not check_mode:
        what = f"Cannot fetch {shorten(found)} of {sha}, which Git LFS keeps, from {mask(repository)}"
        url = split_credentials(repository)[0]
        # Git LFS knows folders by their URLs alone.
        demand(run(["lfs", "fetch", f"file://{url}" if url.startswith("/") else url, sha]), what)


def pointers(run: Run, sha: str) -> List[str]:
    """Return the files of a commit that Git LFS keeps."""
    # Git says 1 where nothing is found.
    if run(["grep", "--quiet", "-F", "filter=lfs", sha, "--", "*.gitattributes"]).code != 0:
        return []
    pointer = "version https://git-lfs.github.com/spec/v1"
    return [name.partition(":")[2] for name in run(["grep", "-l", "-z", "-F", pointer, sha]).output.split("\0")[:-1]]
