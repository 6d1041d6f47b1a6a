# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that Git LFS keeps elsewhere: without it, a checkout holds a few lines that point to each."""

from __future__ import annotations

from ansible_collections.greenlight.release.plugins.module_utils._code.aside import shorten
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError, Run


def refuse_pointers(run: Run, sha: str) -> None:
    """Raise GitError when a commit has files of Git LFS, and this host has no Git LFS that is set up for its user."""
    # Git says 1 where nothing is found.
    if run(["grep", "--quiet", "-F", "filter=lfs", sha, "--", "*.gitattributes"]).code != 0:
        return
    pointer = "version https://git-lfs.github.com/spec/v1"
    found = [name.partition(":")[2] for name in run(["grep", "-l", "-z", "-F", pointer, sha]).output.split("\0")[:-1]]
    if not found or (run(["config", "filter.lfs.smudge"]).code == 0 and run(["lfs", "version"]).code == 0):
        return
    raise GitError(
        f"{sha} keeps {shorten(found)} in Git LFS, which is not set up on this host, so the app would get pointers; "
        f"install git-lfs, and call git lfs install as the user who runs the release"
    )
