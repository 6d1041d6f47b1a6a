# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adjustments: which environment variable a missed row changes, within which bounds, and when that is undone.

An adjustment in the release record is a mapping `{row, env, from, to, value, taken_back}`; `value` is what the metric
was at when it was made. Values of the environment are texts. Nothing here touches a process.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import is_number
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

Adjustment = Dict[str, Any]


class AdjustError(GreenlightError):
    """An environment that cannot be read."""


def plan_adjustments(
    findings: Sequence[Mapping[str, Any]], made: Sequence[Adjustment], current: Mapping[str, str]
) -> Dict[str, Any]:
    """Return `{env, adjustments, reversed, notes}`.

    These are the variables to set, what to append to `made`, how to undo that, and why other variables stay.

    `findings` are those of a decision, `made` the adjustments of the release so far, `current` the environment of
    the running app. A variable changes once an observation, and one whose last change was undone is left to a
    person, whichever row made it. Only the row that changed it last can undo that: a value of
    another says nothing.
    """
    env: Dict[str, str] = {}
    adjustments: List[Adjustment] = []
    notes: List[str] = []
    for finding in findings:
        adjust = finding.get("adjust")
        if not adjust or adjust["env"] in env:
            continue
        last = next((each for each in reversed(made) if each["env"] == adjust["env"]), None)
        change = _undo(finding, last) or _go_on(finding, last, current.get(adjust["env"]))
        if isinstance(change, str):
            notes.append(f"{adjust['env']} stays: {change}")
        elif change:
            env[change["env"]] = change["to"]
            adjustments.append(change)
    back = [reverse(each, each["value"]) for each in adjustments]
    return {"env": env, "adjustments": adjustments, "reversed": back, "notes": notes}


def _undo(finding: Mapping[str, Any], last: Optional[Adjustment]) -> Optional[Adjustment]:
    if not last or last["taken_back"] or last["row"] != finding["name"] or not _is_worse(finding, last["value"]):
        return None
    return reverse(last, finding["value"])


def reverse(adjustment: Adjustment, value: Any) -> Adjustment:
    """Return the adjustment that undoes another one, made when the metric was at `value`."""
    return {**adjustment, "from": adjustment["to"], "to": adjustment["from"], "value": value, "taken_back": True}


def _is_worse(finding: Mapping[str, Any], before: Any) -> bool:
    """Say whether the metric is certainly further from its target than before."""
    if not is_number(finding["value"]) or not is_number(before) or finding["outcome"] not in ("miss", "rollback"):
        return False
    if finding["target"].startswith(("above", "at least")):
        return bool(finding["high"] < before)
    return bool(finding["low"] > before)


def _go_on(finding: Mapping[str, Any], last: Optional[Adjustment], current: Optional[str]) -> Any:
    """Return the next adjustment of a missed row, a text about why there is none, or None where none is needed."""
    if finding["outcome"] != "miss":
        return None
    if last and last["taken_back"]:
        return "changing it made things worse before"
    number = _to_number(current)
    if number is None:
        return "the running app has no number in it"
    adjust = finding["adjust"]
    wanted = min(max(number * adjust["multiply"], adjust.get("minimum", -math.inf)), adjust.get("maximum", math.inf))
    if (wanted - number) * (adjust["multiply"] - 1) <= 0:
        return f"{current} is as far as its bounds allow"
    return {
        "row": finding["name"],
        "env": adjust["env"],
        "from": current,
        "to": _to_text(wanted, whole=number == math.floor(number), upwards=wanted > number),
        "value": finding["value"],
        "taken_back": False,
    }


def _to_number(text: Optional[str]) -> Optional[float]:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None


def _to_text(number: float, whole: bool, upwards: bool) -> str:
    """Return a number as a text; whole where it was, rounded away from what it was, so that it changes."""
    if not whole:
        return f"{number:g}"
    return str(math.floor(number) if not upwards else math.ceil(number))


def read_environment(encoded: str, names: Sequence[str]) -> Dict[str, str]:
    """Return the named variables out of `/proc/<pid>/environ`, given in base64.

    In cluster mode PM2 hands a worker its variables as JSON in one of them, `pm2_env` (lib/God/ClusterMode.js).
    Raises AdjustError for what is no environment.
    """
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error) as error:
        raise AdjustError("The environment of the app cannot be read: it is not base64") from error
    pairs = (each.partition("=") for each in raw.decode("utf-8", "replace").split("\0"))
    found = {name: value for name, equals, value in pairs if equals}
    try:
        handed = json.loads(found.get("pm2_env", "{}"))
    except ValueError:
        handed = {}
    merged = {**found, **(handed if isinstance(handed, dict) else {})}
    return {name: str(merged[name]) for name in names if name in merged}
