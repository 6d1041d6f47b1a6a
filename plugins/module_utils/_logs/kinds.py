# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kind of line a line is, so that errors that only the new revision writes can be found."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._logs.fields import parse_line
from ansible_collections.greenlight.release.plugins.module_utils._logs.fold import LONGEST, fold

# What says in a line of JSON what happened: the names that pino, winston, bunyan and the errors of Node use.
_LEVELS = ("level", "severity")
_TEXTS = ("msg", "message", "error", "err", "reason", "text", "event", "code", "type", "name", "stack")
_ERRORS = ("err", "error", "reason", "meta")
_FRAME = re.compile(r"^\s*at (?:(?P<function>.+?) \()?(?:file://)?(?P<path>[^\s()]*?)(?::\d+){1,2}\)?$", re.MULTILINE)
_FOREIGN = ("node_modules/", "node:", "internal/")
_PROPERTY = re.compile(r"^\s+['\"]?(?:code|type|name|errno|syscall|level|message|msg)['\"]?: .*$", re.MULTILINE)


def kind_of(line: str, following: Sequence[str] = ()) -> str:
    """Return a short hash that entries share which differ only in numbers, ids, times, places and quoted values.

    `following` are the lines of the entry behind its first one. Of a stack only the topmost frame counts that is the
    app's own, by its function and file: the lines in a file move with every revision.
    """
    document = parse_line(line)
    parts = _descriptive(document)
    more = "\n".join(following)
    if isinstance(document, Mapping):
        parts += [f"{name}.{each}" for name in _ERRORS for each in _descriptive(document.get(name))]
        parts = parts or _values_of(document)
    else:
        parts = [fold(line), *(fold(found[0]) for found in _PROPERTY.finditer(more)), own_frame(more)]
    text = "\n".join(filter(None, parts))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def own_frame(stack: str) -> str:
    """Return function and file of the topmost frame in the app's own code, "" where there is none."""
    for found in _FRAME.finditer(stack):
        path = found["path"]
        if path and "<" not in path and not any(foreign in path for foreign in _FOREIGN):
            return f"at {found['function'] or ''} {path.rpartition('/')[2]}"
    return ""


def _descriptive(document: Any) -> List[str]:
    """Return the fields of a document that say what happened. A level is a name, also where it is a number."""
    if not isinstance(document, Mapping):
        return []
    levels = [f"{name}: {document[name]}" for name in _LEVELS if name in document]
    said = {name: document[name] for name in _TEXTS if isinstance(document.get(name), str)}
    frame = ""
    if "stack" in said:
        # Where a stack goes through differs with the caller; its first line is the error.
        frame = own_frame(said["stack"])
        said["stack"] = said["stack"].partition("\n")[0]
    texts = [f"{name}: {fold(text)}" for name, text in said.items()]
    return [*levels, *texts, *filter(None, [frame])] if texts else []


def _values_of(document: Mapping[str, Any]) -> List[str]:
    """Return all fields of a document of which none says what happened, each value folded by itself."""
    found = []
    for name, value in document.items():
        text = value if isinstance(value, str) else json.dumps(value)
        found.append(f"{name}: {text[:LONGEST] if name in _LEVELS else fold(text)}")
    return found
