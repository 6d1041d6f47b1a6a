# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The decision matrix as a whole: its rows, what contradicts between two of them, and patches of rows by name."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._decision.row import (
    ACTIONS,
    MatrixError,
    Row,
    default_name,
    parse_row,
    wrong,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import DurationError, parse_duration

__all__ = ["ACTIONS", "MatrixError", "Row", "parse_matrix", "patch_matrix"]


def parse_matrix(rows: Any, known_metrics: Optional[Sequence[str]] = None) -> List[Row]:
    """Return the rows, all of them checked before any is used.

    `known_metrics` are the metrics that something measures; leave it out to allow any name.
    Raises MatrixError, which names the row's index and key.
    """
    if not isinstance(rows, (list, tuple)) or not rows:
        raise MatrixError("The decision matrix must be a list with at least one row")
    parsed = [parse_row(index, row, known_metrics) for index, row in enumerate(rows)]
    for index, row in enumerate(parsed):
        for earlier in range(index):
            _refuse_pair(index, row, earlier, parsed[earlier])
        named = [other for other in range(index) if rows[index].get("name") and parsed[other].name == row.name]
        if named:
            raise wrong(index, "name", f"row {named[0]} is called {row.name} too")
    return parsed


def _refuse_pair(index: int, row: Row, first: int, other: Row) -> None:
    """Refuse two rows of one metric that cannot both be met at an age at which both are judged."""
    if (row.metric, row.relative, row.scope) != (other.metric, other.relative, other.scope) or not _judged_together(
        row, other
    ):
        return
    if row.due == other.due:
        raise wrong(index, "metric", f"{row.metric} is judged at the same age by row {first}")
    # A target that lies behind the other row's rollback line misses that row's target too.
    if not row.target.meets(other.target):
        raise wrong(
            index,
            "target",
            f"{row.target.describe()} contradicts row {first}, key target: {other.target.describe()}; no value is both",
        )


def _judged_together(row: Row, other: Row) -> bool:
    same = (row.metric, row.relative, row.scope) == (other.metric, other.relative, other.scope)
    return same and max(row.due, other.due) <= min(row.until or float("inf"), other.until or float("inf"))


def patch_matrix(rows: Any, patches: Any) -> List[Any]:
    """Return the rows with some keys changed: `patches` maps the name of a row to its new keys.

    A key that is null is removed, a patch that is null removes the row, and one with a new name and metric, target and
    action adds a row. The rows are not checked here. Raises MatrixError, which names the patch.
    """
    if not isinstance(rows, (list, tuple)):
        raise MatrixError("The decision matrix must be a list with at least one row")
    if not isinstance(patches, Mapping):
        raise MatrixError(f"Patches of the decision matrix must map names of rows to keys, not {patches!r}")
    places = _places(rows)
    patched: List[Any] = list(rows)
    for name, patch in patches.items():
        if patch is not None and not isinstance(patch, Mapping):
            raise MatrixError(f"Patch {name} of the decision matrix must be a mapping of keys, or null, not {patch!r}")
        found = places.get(name, ())
        if len(found) > 1:
            raise MatrixError(
                f"Patch {name} of the decision matrix fits rows {found[0]} and {found[1]}; name one of them"
            )
        if found:
            patched[found[0]] = None if patch is None else _apply(rows[found[0]], patch)
        elif patch is not None and {"metric", "target", "action"} <= set(patch):
            patched.append({"name": name, **patch})
        else:
            raise MatrixError(
                f"Patch {name} of the decision matrix: no row has that name; use one of {', '.join(places)}, "
                "or give metric, target and action to add a row"
            )
    return [row for row in patched if row is not None]


def _apply(row: Mapping[str, Any], patch: Mapping[str, Any]) -> Dict[str, Any]:
    return {key: value for key, value in {**row, **patch}.items() if value is not None}


def _places(rows: Sequence[Any]) -> Dict[str, Tuple[int, ...]]:
    """Return the indices of the rows of each name."""
    places: Dict[str, Tuple[int, ...]] = {}
    for index, row in enumerate(rows):
        if isinstance(row, Mapping):
            name = str(row.get("name") or _derived_name(row))
            places[name] = (*places.get(name, ()), index)
    return places


def _derived_name(row: Mapping[str, Any]) -> str:
    try:
        return default_name(str(row.get("metric")), parse_duration(row.get("due", 0)))
    except DurationError:
        # The row is refused when it is parsed; until then it has the name that it would have without its age.
        return str(row.get("metric"))
