# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether one value is what its option wants, and if not, the sentence that says so.

Numbers and booleans may be texts, as a command line gives them. Values may be secret: of a text only what was to be one
word or one number is repeated.
"""

from __future__ import annotations

import math
from datetime import date
from typing import Any, Callable, Dict, Mapping, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._options.spec import Option

# The words that Ansible takes for booleans.
_BOOLEANS = ("true", "yes", "on", "y", "t", "1", "false", "no", "off", "n", "f", "0")
_LONGEST = 60


def find_problem(option: Option, value: Any) -> str:
    """Return one sentence about a value that its option does not allow, an empty text for a good one."""
    if value is None:
        return f"{option.name} is null; leave it out to have its default"
    fits, wanted = _TYPES[option.type]
    if option.type == "list":
        return _problem_of_list(option, value)
    if not fits(value):
        return f"{option.name} must be {wanted}, and not {_describe(value, option.type)}{_advice(option.type, value)}"
    if option.choices and value not in option.choices:
        return f"{option.name} must be {_either(option.choices)}, and not {_shorten(str(value))}"
    return ""


def _problem_of_list(option: Option, value: Any) -> str:
    fits, wanted = _TYPES[option.elements]
    if not isinstance(value, (list, tuple)):
        # A number or a percentage alone is one batch.
        if option.elements == "raw" and _is_text(value):
            return ""
        return f"{option.name} must be a list{_example(option, value)}, and not {_describe(value, option.type)}"
    for number, item in enumerate(value, 1):
        if not fits(item):
            given = _describe(item, option.type) + _advice(option.elements, item)
            return f"item {number} of {option.name} must be {wanted}, and not {given}"
    return ""


def _example(option: Option, value: Any) -> str:
    if option.elements == "str" and isinstance(value, str) and len(value) <= _LONGEST:
        return f" such as [{value}]"
    return ""


def _advice(wanted: str, value: Any) -> str:
    """Return what to do about a text that YAML reads as something else."""
    return "; write it in quotes" if wanted in ("str", "path") and isinstance(value, (bool, date)) else ""


def _describe(value: Any, wanted: str) -> str:
    if isinstance(value, str):
        return f"the text {_shorten(repr(str(value)))}" if wanted in ("int", "float", "bool") else "a text"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return f"the number {value!r}"
    kinds = ((Mapping, "a mapping"), ((list, tuple), "a list"), (date, "a date"), (type(None), "null"))
    return next((kind for types, kind in kinds if isinstance(value, types)), f"a {type(value).__name__}")


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _either(choices: Tuple[str, ...]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _is_text(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _is_boolean(value: Any) -> bool:
    return str(value).strip().lower() in _BOOLEANS


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lstrip("+-").isdecimal()
    return _is_number(value) and value == int(value)


def _is_number(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(float(value))
    except (TypeError, ValueError):
        return False


_TYPES: Dict[str, Tuple[Callable[[Any], bool], str]] = {
    "str": (_is_text, "a text"),
    "path": (_is_text, "a path"),
    "int": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "bool": (_is_boolean, "true or false"),
    "dict": (lambda value: isinstance(value, Mapping), "a mapping"),
    "list": (lambda value: isinstance(value, (list, tuple)), "a list"),
    "raw": (lambda value: value is not None, "a value"),
}
