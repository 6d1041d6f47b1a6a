# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of line a line is, so that errors that only the new revision writes can be found."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, List, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._logs.fields import parse_line

# What differs between two lines of one kind: quoted texts but for words, ids, times, numbers.
_VARIABLE = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'|\b[0-9a-fA-F]{8,}(-[0-9a-fA-F]{4,12})*\b|\d+")
_QUOTED_WORD = re.compile(r"[\"'][A-Za-z_$.]{1,64}[\"']")
# What says in a line of JSON what happened: the names that pino, winston, bunyan and the errors of Node use.
_LEVELS = ("level", "severity")
_TEXTS = ("msg", "message", "error", "err", "reason", "text", "event", "code", "type", "name", "stack")
_LONGEST = 4096


def kind_of(line: str) -> str:
    """Return a short hash that lines share which differ only in numbers, ids, times and quoted values."""
    document = parse_line(line)
    parts = _descriptive(document)
    if isinstance(document, Mapping):
        parts += [f"{name}.{each}" for name in ("err", "error", "reason") for each in _descriptive(document.get(name))]
        parts = parts or _values_of(document)
    text = "\n".join(parts) or _fold(line)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def _fold(text: str) -> str:
    return _VARIABLE.sub(lambda found: found[0] if _QUOTED_WORD.fullmatch(found[0]) else "#", text[:_LONGEST])


def _descriptive(document: Any) -> List[str]:
    """Return the fields of a document that say what happened. A level is a name, also where it is a number."""
    if not isinstance(document, Mapping):
        return []
    levels = [f"{name}: {document[name]}" for name in _LEVELS if name in document]
    # Where a stack goes through differs with the caller; its first line is the error.
    said = {name: document[name] for name in _TEXTS if isinstance(document.get(name), str)}
    if "stack" in said:
        said["stack"] = said["stack"].partition("\n")[0]
    texts = [f"{name}: {_fold(text)}" for name, text in said.items()]
    return levels + texts if texts else []


def _values_of(document: Mapping[str, Any]) -> List[str]:
    """Return all fields of a document of which none says what happened, each value folded by itself."""
    found = []
    for name, value in document.items():
        text = value if isinstance(value, str) else json.dumps(value)
        found.append(f"{name}: {text[:_LONGEST] if name in _LEVELS else _fold(text)}")
    return found
