# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A table as lines of text, for a terminal or a log."""

from __future__ import annotations

from typing import List, Sequence


def render_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> List[str]:
    """Return the head, a line of dashes, and a line for each row; every column is as wide as its widest cell."""
    cells = [head, *rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    first, *others = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
    return [first, "  ".join("-" * width for width in widths), *others]
