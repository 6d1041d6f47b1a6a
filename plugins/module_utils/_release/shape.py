# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether what a file holds is a whole release record, neither cut off nor edited nor made by something else."""

from __future__ import annotations

from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._release.record import (
    FORMAT,
    KEPT,
    OUTCOMES,
    Record,
    RecordError,
    parse_time,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_release_id, is_sha


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_time(value: Any) -> bool:
    try:
        parse_time(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_lock(value: Any) -> bool:
    parts = {"run_id": _is_text, "by": _is_text, "since": _is_time, "until": _is_time}
    return isinstance(value, dict) and all(name in value and right(value[name]) for name, right in parts.items())


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


def _is_story(value: Any) -> bool:
    """Say whether a value is a list of mappings, each with its time."""
    return isinstance(value, list) and all(isinstance(each, dict) and _is_time(each.get("at")) for each in value)


def _or_null(right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or right(value)


_FIELDS: Dict[str, Callable[[Any], bool]] = {
    "id": lambda value: _is_text(value) and is_release_id(value),
    "app": _is_text,
    "status": lambda value: value in ("in_progress", *OUTCOMES, *KEPT),
    "stage": _is_text,
    "from_revision": lambda value: _is_text(value) and is_sha(value),
    "to_revision": lambda value: _is_text(value) and is_sha(value),
    "opened_at": _is_time,
    "closed_at": _or_null(_is_time),
    "switched_at": _or_null(_is_time),
    "watch_until": _or_null(_is_time),
    "decision": _or_null(_is_text),
    "reason": _is_text,
    "lock": _or_null(_is_lock),
    "facts": _is_mapping,
    "observations": _is_story,
    "history": _is_story,
    "sequence": lambda value: isinstance(value, int),
}
# What the records of older versions do not have.
_LATER = ("sequence",)


def check_record(value: Any, name: str) -> Record:
    """Return a value that is the record of the release `name`. Raises RecordError, which says what is wrong."""
    if not isinstance(value, dict) or "format" not in value:
        raise RecordError("is not a release record; move it out of the folder")
    if value["format"] != FORMAT:
        raise RecordError(f"has format {value['format']!r}, this version reads {FORMAT}; update the collection")
    missing = [field for field in _FIELDS if field not in value and field not in _LATER]
    wrong = [field for field, right in _FIELDS.items() if field in value and not right(value[field])]
    if not missing and not wrong and value["id"] != name:
        raise RecordError(f"holds the record of release {value['id']}; move it out of the folder")
    if missing or wrong:
        problem = f"{missing[0]} is missing" if missing else f"{wrong[0]} cannot be {value[wrong[0]]!r}"
        raise RecordError(
            f"is not a whole release record, as {problem}; restore it from a backup, for without it nobody knows "
            "what the release had done"
        )
    return value
