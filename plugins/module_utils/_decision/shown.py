# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A decision as lines of text for somebody who was woken up: what was decided and why first, what is well last."""

from __future__ import annotations

import textwrap
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._decision.measured import UNKNOWN, show
from ansible_collections.greenlight.release.plugins.module_utils._decision.row import ACTIONS
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import describe_duration
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import find_metric

_WIDTH = 100
_LABEL = 14
_PLAY = "ansible-playbook greenlight.release."
_COMMANDS = {
    "proceed": "",
    "rollback": f"try this revision again: {_PLAY}deploy -e greenlight_retry_rejected=true",
    "monitor": f"look again: {_PLAY}verify; roll back: {_PLAY}rollback",
}

Finding = Mapping[str, Any]


def render_table(result: Mapping[str, Any], app: str = "", host: str = "") -> List[str]:
    """Return what `decide` returned as lines of 100 columns at most.

    In addition the decision may have adjustments, notes about variables that stay, and `quotes`: the number of lines
    that a metric counted, and the first of them.
    """
    parts = _sort(result["findings"], str(result["decision"]))
    quotes = result.get("quotes") or {}
    return [
        *textwrap.wrap(_head(result, app, host), _WIDTH, subsequent_indent="  "),
        *_part("why", [line for each in parts["why"] for line in _explain(each, quotes)]),
        *_part("also", [line for each in parts["also"] for line in _explain(each, quotes)]),
        *_part("ok", [", ".join(each["name"] for each in parts["ok"])]),
        *_part("cannot tell", [f"{each['name']}: {each['reason']}" for each in parts["unclear"]]),
        *_part("not measured", [_missing(each) for each in parts["unknown"]]),
        *_part("not due", [", ".join(f"{each['name']} ({each['reason']})" for each in parts["later"])]),
        *_part("adjusted", _adjusted(result)),
        *_part("do", [*_remedies(parts), _COMMANDS.get(str(result["decision"]), _COMMANDS["monitor"]) if app else ""]),
    ]


def _sort(findings: Sequence[Finding], decision: str) -> Dict[str, List[Finding]]:
    parts: Dict[str, List[Finding]] = {name: [] for name in ("why", "also", "ok", "unclear", "unknown", "later")}
    names = {"pass": "ok", "inconclusive": "unclear", "not_due": "later"}
    for finding in sorted(findings, key=lambda each: -ACTIONS.index(each["action"])):
        place = names.get(finding["outcome"], "why" if finding["action"] == decision else "also")
        # What nobody measured is told apart, unless the release is rolled back because of it.
        silent = finding["outcome"] in UNKNOWN and finding["action"] != "rollback"
        parts["unknown" if silent else place].append(finding)
    return parts


def _head(result: Mapping[str, Any], app: str, host: str) -> str:
    whose = " on ".join(text for text in (app, host) if text)
    age = f"{describe_duration(int(result['age']))} after the switch"
    return f"{str(result['decision']).upper()}  " + (f"{whose}, {age}" if whose else age)


def _part(label: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines under one label, [] where there is nothing to say."""
    first = f"  {label}".ljust(2 + _LABEL)
    for line in filter(None, lines):
        for text in textwrap.wrap(line, _WIDTH - len(first), subsequent_indent="  ", break_on_hyphens=False):
            yield (first + text).rstrip()
            first = " " * len(first)


def _explain(finding: Finding, quotes: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a row saw: now, before and what it allows, why that is worth something, and the lines of the log."""
    now, before = _value(finding, "value", "counted"), _value(finding, "baseline", "baseline_counted")
    window = f", {finding['window']}" if finding["window"] else ""
    was = f"   before {before}" if before else ""
    if now and not isinstance(finding["value"], bool):
        yield f"{finding['name']}  {now}{window}{was}   allowed: {finding['target']}"
    yield (
        f"{finding['reason']}"
        if now and not isinstance(finding["value"], bool)
        else (f"{finding['name']}  {finding['reason']}")
    )
    quote = quotes.get(finding["metric"])
    if quote:
        yield f"> {quote['first']}"


def _value(finding: Finding, key: str, counted: str) -> str:
    """Return a value with its unit and what it was counted from, "" where there is none."""
    value, metric = finding[key], find_metric(finding["metric"])
    if value is None:
        return ""
    unit = f" {metric.unit}" if metric and not isinstance(value, bool) else ""
    pair = finding[counted]
    samples = f", {finding['samples']} samples" if key == "value" and finding["samples"] is not None else ""
    return f"{show(value)}{unit}" + (f" ({pair[0]:,} of {pair[1]:,})" if pair else samples)


def _missing(finding: Finding) -> str:
    metric = find_metric(finding["metric"])
    asked = f"; {metric.variable} says where it is" if metric and metric.variable else ""
    return f"{finding['name']}: {finding['reason']}{asked}"


def _adjusted(result: Mapping[str, Any]) -> List[str]:
    return [
        *(
            f"{each['env']} from {each['from']} to {each['to']}, for {each['row']}"
            + (", which undoes an adjustment" if each["taken_back"] else "")
            for each in result.get("adjustments", [])
        ),
        *result.get("adjustment_notes", []),
    ]


def _remedies(parts: Mapping[str, Sequence[Finding]]) -> List[str]:
    found: List[Tuple[str, str]] = [(each["name"], each["remedy"]) for each in [*parts["why"], *parts["also"]]]
    return [f"{name}: {remedy}" for name, remedy in found if remedy]
