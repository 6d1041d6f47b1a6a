# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that may be of a level, found without reading every line: whoever asks reads those that were found."""

from __future__ import annotations

import re
from typing import Dict, List, Pattern, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs.documents import ERROR, FATAL, WARNING
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Alternative, Chunk, Needle

_FATAL_TEXTS = (b"atal", b"FATAL", b"[emerg]", b"[alert]", b"PANIC", b"Node.js v")
_CODES = (b"ECONNREFUSED", b"UNREACH", b"ENOTFOUND", b"EAI_AGAIN", b"ETIMEDOUT", b"EMFILE", b"ENOSPC")
_ERROR_TEXTS = (*_FATAL_TEXTS, b"rror", b"ERROR", b"xception", b"CRIT", b"[crit]", *_CODES)
# Per level the texts of which a line of text has one, and how the value of the level begins in a document: fatal,
# alert, emergency and panic, then error, critical and severe, then warn.
_SIGNS: Dict[int, Tuple[Tuple[bytes, ...], bytes]] = {
    FATAL: (_FATAL_TEXTS, rb"[6-9]\d|[fFaApP]|[eE][mM]|dpanic"),
    ERROR: (_ERROR_TEXTS, rb"[5-9]\d|[fFaApPeEcC]|[sS]e|SE|dpanic"),
    WARNING: ((*_ERROR_TEXTS, b"arn", b"WARN"), rb"[4-9]\d|[fFaApPeEcCwW]|[sS]e|SE|dpanic"),
}
# A date may stand before a document.
_BEGINNING = 48


class LevelFinder:
    """Finds lines that may be of a level or a higher one."""

    def __init__(self, level: int) -> None:
        texts, values = _SIGNS[level]
        self._texts = Alternative([Needle(text) for text in texts])
        self._documents: List[Pattern[bytes]] = [
            re.compile(rb'"%s\\?":\s*\\?"?(?:%s)' % (name, values))
            for name in (rb"(?:log\.)?level", b"severity", b"levelStr")
        ]

    def find(self, chunk: Chunk) -> Set[int]:
        """Return where they begin."""
        data = chunk.data
        found = {start for start in self._texts.find(chunk) if not _is_document(chunk, start)}
        for pattern in self._documents:
            found |= {data.rfind(b"\n", 0, hit.start()) + 1 for hit in pattern.finditer(data)}
        return found

    def count(self, chunk: Chunk) -> int:
        """Return their number."""
        return len(self.find(chunk))


def _is_document(chunk: Chunk, start: int) -> bool:
    """Say whether a line is a document with a level of its own. What PM2 wraps with --log-type json is a text."""
    end = chunk.bounds(start)[1]
    if chunk.data.find(b'{"', start, min(end, start + _BEGINNING)) < 0:
        return False
    return chunk.data.find(b'"app_name"', start, end) < 0
