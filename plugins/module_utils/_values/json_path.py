# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values in a JSON document that somebody else wrote: strictly parsed, found by a path, read as numbers."""

from __future__ import annotations

import json
import math
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_PATH = re.compile(r"(?:[^.\[\]]+|\[\d+\])(?:\.[^.\[\]]+|\[\d+\])*")
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?([eE][+-]?\d+)?\s*%?\s*")
# Longer numbers are no measurements, and reading one of a million digits takes minutes.
_LONGEST_NUMBER = 64


class JSONPathError(GreenlightError):
    """A text that is no JSON, or a path that leads nowhere in it."""


class TwiceError(JSONPathError):
    """A key that has two different values."""


def parse(text: str) -> Any:
    """Return the document in a text.

    Raises JSONPathError, also for NaN, for a nesting that is too deep, and for a key with two different values, of
    which nobody can say which one is meant.
    """
    try:
        return json.loads(text, parse_constant=_refuse, parse_int=_read_integer, object_pairs_hook=_read_object)
    except (ValueError, RecursionError) as error:
        raise JSONPathError("it is no JSON") from error


def parse_beginning(text: str) -> Any:
    """Return the document that a text begins with, whatever follows it. Raises JSONPathError as parse does."""
    try:
        return _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError) as error:
        raise JSONPathError("it is no JSON") from error


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _read_object(pairs: Sequence[Tuple[str, Any]]) -> Dict[str, Any]:
    document: Dict[str, Any] = {}
    for name, value in pairs:
        if name in document and document[name] != value:
            raise TwiceError(f"it has {name!r} twice, with different values")
        document[name] = value
    return document


def _read_integer(digits: str) -> Union[int, float]:
    return int(digits) if len(digits) <= _LONGEST_NUMBER else math.inf


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=_read_integer)


def is_path(path: Any) -> bool:
    """Say whether a text is a path such as `a.b[0].c`."""
    return isinstance(path, str) and _PATH.fullmatch(path) is not None


def names_in(path: str) -> List[str]:
    """Return the names of the keys that a path goes through."""
    return [name for name, _index in _STEP.findall(path) if name]


def value_at(document: Any, path: str) -> Any:
    """Return what `a.b[0].c` leads to. Raises JSONPathError when the path ends before."""
    value = document
    for name, index in _STEP.findall(path):
        if name and isinstance(value, Mapping) and name in value:
            value = value[name]
        elif index and isinstance(value, list) and int(index) < len(value):
            value = value[int(index)]
        else:
            raise JSONPathError(f"the JSON has no {path}")
    return value


def to_number(value: Any) -> Optional[float]:
    """Return a finite number, or the one in a text such as `"95.67%"`; None for anything else."""
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER and _NUMBER.fullmatch(value):
        value = float(value.strip().rstrip("%"))
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def is_equal(value: Any, wanted: Any) -> bool:
    """Say whether two values of JSON are equal; true is not 1, as it is in Python."""
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)
