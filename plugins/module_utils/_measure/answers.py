# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The input of a measurement: where the log is read from, and what the record, the app and its log said so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import MeasureError, Settings

Measurements = Dict[str, Any]


@dataclass(frozen=True)
class Since:
    """From where on the log and the counters are read, and what is expected of them.

    `looks_back` is false for a first measurement, which takes the log as it finds it. `required` are the lines that
    the log must have since; it is None where no release is judged. `counted` are the counts of shares before, from the
    switch on, and `own` the `[failed, all]` of the requests that earlier looks sent since.
    """

    looks_back: bool = False
    cursor: Optional[Mapping[str, Any]] = None
    known_kinds: Mapping[str, List[str]] = field(default_factory=dict)
    counters: Mapping[str, Any] = field(default_factory=dict)
    required: Optional[Sequence[str]] = None
    counted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    own: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def judges_release(self) -> bool:
        return self.required is not None


@dataclass(frozen=True)
class Answers:
    """Results of modules as they returned them, {} for one that was not called yet.

    `record` is of release_record_info and `noted` of a release_record that ran after it, `process` of
    pm2_process_info, `health` of health_check, `log` of log_assert, `searched` of the search in the sources.
    """

    since: Since
    record: Mapping[str, Any]
    noted: Mapping[str, Any]
    process: Mapping[str, Any]
    health: Mapping[str, Any]
    log: Mapping[str, Any]
    searched: Mapping[str, Any]

    @property
    def watch(self) -> Mapping[str, Any]:
        """What the records say to a measurement, {} where no release is on record."""
        return self.record.get("watch") or {}

    @property
    def facts(self) -> Mapping[str, Any]:
        """The facts of the newest release, {} where there is none."""
        release: Mapping[str, Any] = self.record.get("record") or {}
        facts: Mapping[str, Any] = release.get("facts", {})
        return facts


def parse_answers(settings: Settings, given: Mapping[str, Any]) -> Answers:
    """Return the answers out of a mapping of them. Raises MeasureError where `since` says what cannot be."""
    results = {name: given.get(name) or {} for name in ("record", "noted", "process", "health", "log", "searched")}
    return Answers(since=_since(settings, given.get("since") or {}, results["record"]), **results)


def _since(settings: Settings, given: Union[str, Mapping[str, Any]], record: Mapping[str, Any]) -> Since:
    """Return from where on to read: given as a mapping, or as the occasion `baseline`, `switch` or `watch over`."""
    if not isinstance(given, str):
        return _parse_since(given)
    watch = record.get("watch") or {}
    if given == "baseline":
        return _parse_since(watch.get("baseline_since") or {})
    if given not in ("switch", "watch over"):
        raise MeasureError(f"since must be baseline, switch, watch over or a mapping, not {given!r}")
    if not watch:
        raise MeasureError("no release is on record, so none can be judged; release with the playbook deploy first")
    observations = record["record"]["observations"]
    # Required lines are checked once, after the switch: later the log may have been rotated.
    required = [] if observations or given == "watch over" else settings.required_log_lines
    counters = observations[-1].get("counters", {}) if observations else {}
    return _parse_since({"counters": counters, **watch["since"], "required": required})


def _parse_since(given: Mapping[str, Any]) -> Since:
    return Since(
        looks_back=bool(given),
        cursor=given.get("cursor"),
        known_kinds=given.get("known_kinds", {}),
        counters=given.get("counters", {}),
        required=given.get("required"),
        counted=given.get("counted", {}),
        own=given.get("own", {}),
    )
