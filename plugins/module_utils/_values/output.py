# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed command said, cut to the lines that tell why it failed."""

from __future__ import annotations

import re
from typing import List, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._values import redaction

# What ssh, npm and Node say once, before many lines that do not help.
_CAUSES = re.compile(
    r"^ssh: |Permission denied|^Host key |does not appear to be a git repository|^npm (?:error|ERR!) code |"
    r"^(?:Uncaught )?\w*Error\b.*: |No space left on device"
)
_MOST_CAUSES = 4


def quote(lines: Sequence[str], last: int) -> str:
    """Return the telling lines in one line, as they may be shown, "" where there is none."""
    return " | ".join(redaction.show(line) for line in telling_lines(lines, last))


def telling_lines(lines: Sequence[str], last: int) -> List[str]:
    """Return the last lines that are not empty, and before them the first ones that name a cause."""
    said = [line for line in lines if line.strip()]
    causes = [line for line in said[:-last] if _CAUSES.search(line)]
    return causes[:_MOST_CAUSES] + said[-last:]
