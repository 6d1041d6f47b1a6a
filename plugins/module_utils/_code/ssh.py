# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do when ssh lets git not reach a repository."""

from __future__ import annotations

import re
from typing import List, Sequence

# Git says them whatever the reason was, after ssh has named it.
_REPEATS = (
    "fatal: Could not read from remote repository.",
    "Please make sure you have the correct access rights",
    "and the repository exists.",
)
_ADVICE = (
    (
        re.compile(r"host key for \S+ has changed", re.IGNORECASE),
        "find out from its owner whether it has a new key, and only then replace the old one in known_hosts",
    ),
    (
        re.compile(r"host key verification failed", re.IGNORECASE),
        "get the key of that host from its owner, and add it to ~/.ssh/known_hosts of the user who runs git here",
    ),
    (
        re.compile(r"permission denied \(", re.IGNORECASE),
        "let that host know the public key, or name a key that it knows as greenlight_deploy_key",
    ),
)


def without_repeats(said: Sequence[str]) -> List[str]:
    """Return the lines of git without those that follow what ssh said and add nothing, unless they are all."""
    lines = [line for line in said if line.strip()]
    return [line for line in lines if line not in _REPEATS] or lines


def advise(said: str) -> str:
    """Return what to do about what ssh said, empty where it said nothing against a key."""
    return next((todo for pattern, todo in _ADVICE if pattern.search(said)), "")
