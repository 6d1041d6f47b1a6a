# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that say what to search for in logs, as Ansible checks those of log_assert."""

from __future__ import annotations

from typing import Any, Dict

Options = Dict[str, Dict[str, Any]]

FILE: Options = {
    "path": {"type": "path", "required": True},
    "stream": {"type": "str", "choices": ["out", "err", "both"], "required": True},
}
PATTERN: Options = {
    "name": {"type": "str"},
    "pattern": {"type": "str"},
    "regex": {"type": "bool", "default": False},
    "field": {"type": "str"},
    "below": {"type": "float"},
    "at_most": {"type": "float"},
    "equals": {"type": "raw"},
    "at_least": {"type": "float"},
    "above": {"type": "float"},
    "matches": {"type": "str"},
    "exists": {"type": "bool"},
}
_RULE: Options = {**PATTERN, "stream": {"type": "str", "choices": ["out", "err"]}}
_PER: Options = {"per": {"type": "str", "choices": ["hour"]}}
REQUIRE: Options = {**_RULE, "minimum": {"type": "int", "default": 1}}
FORBID: Options = {
    **_RULE,
    **_PER,
    "maximum": {"type": "float", "default": 0},
    "new_kinds_only": {"type": "bool", "default": False},
    "level": {"type": "str", "choices": ["warning", "error", "fatal"]},
}
COUNT: Options = {**_RULE, **_PER}


def _list_of(options: Options) -> Dict[str, Any]:
    return {"type": "list", "elements": "dict", "default": [], "options": options}


RULES: Options = {
    "require": _list_of(REQUIRE),
    "forbid": _list_of(FORBID),
    "count": _list_of(COUNT),
    "ignore": _list_of(PATTERN),
}
