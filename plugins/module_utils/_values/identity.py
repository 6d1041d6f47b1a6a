# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names a revision and a release: a full commit SHA, and an id such as `20260219T020000Z-0639294c`."""

from __future__ import annotations

import re

# An id begins with the time in UTC, so that ids sort by age, and ends with the first digits of the SHA.
RELEASE_ID = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
# SHA-1 and SHA-256. Upper case is refused: git writes lower case, and texts are compared.
_SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ID = re.compile(RELEASE_ID)


def is_sha(text: str) -> bool:
    """Say whether a text is a full commit SHA in lower case."""
    return _SHA.fullmatch(text) is not None


def is_release_id(text: str) -> bool:
    """Say whether a text is the id of a release."""
    return _ID.fullmatch(text) is not None
