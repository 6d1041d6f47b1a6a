# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of a `.env` file, read as the package dotenv of Node reads it."""

from __future__ import annotations

import re
from typing import Dict

_LINE = re.compile(
    r"^\s*(?:export\s+)?(?P<name>[\w.-]+)(?:\s*=[^\S\n]*|:[^\S\n]+)"
    r"(?P<value>'(?:\\'|[^'])*'|\"(?:\\\"|[^\"])*\"|`(?:\\`|[^`])*`|[^#\n]*)"
    r"[^\S\n]*(?:#.*)?$",
    re.MULTILINE,
)
_QUOTES = "'\"`"


def parse(text: str) -> Dict[str, str]:
    """Return the variables; of two with one name the last one counts. What is no variable is passed over."""
    found = _LINE.finditer(text.lstrip("\ufeff").replace("\r\n", "\n"))
    return {each["name"]: _value(each["value"].strip()) for each in found}


def _value(text: str) -> str:
    quote = text[:1]
    if len(text) < 2 or quote not in _QUOTES or text[-1] != quote:
        return text
    inner = text[1:-1]
    return inner.replace("\\n", "\n").replace("\\r", "\r") if quote == '"' else inner
