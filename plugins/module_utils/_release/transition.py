# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a release record, from the options of release_record to the records that are written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import Change, Opening, Record

_OPENING = (
    *("app", "release_id", "from_revision", "to_revision", "run_id", "by", "lease", "take_over"),
    *("retry_rejected", "facts"),
)
_CHANGE = ("run_id", "by", "lease", "take_over", "stage", "facts", "observation")


@dataclass(frozen=True)
class Transition:
    """A record before and after a step, the former None for a new release; `others` are further ones to write."""

    before: Optional[Record]
    after: Record
    others: Sequence[Record] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after


def plan(
    records: Sequence[Record], given: Mapping[str, Any], now: datetime, keep_evidence: Callable[[str], str]
) -> Transition:
    """Return what a step makes of the records, which are oldest first; `given` are the options of release_record.

    `keep_evidence` gets the id of a release, and returns the folder of its evidence. It is called only when the run
    may write to the record. Raises RecordError.
    """
    if given["state"] == "opened":
        return _open(records, Opening(**{name: given[name] for name in _OPENING}), now)
    before = store.find_record(records, given["release_id"])
    change = Change(**{name: given[name] for name in _CHANGE})
    if given["state"] == "held":
        return Transition(before, release_record.hold(before, change, now))
    if given["state"] == "unlocked":
        return Transition(before, release_record.unlock(before, change, now))
    if given["state"] == "closed":
        outcome, watch_seconds = given["outcome"], given["watch_seconds"]
        return Transition(before, release_record.close(before, outcome, change, now, watch_seconds))
    after = release_record.note(before, change, now)
    if given["evidence"] is not None:
        facts = {**change.facts, "evidence_path": keep_evidence(before["id"])}
        after = release_record.note(before, replace(change, facts=facts), now)
    return Transition(before, after)


def _open(records: Sequence[Record], wanted: Opening, now: datetime) -> Transition:
    after = release_record.open_release(records, wanted, now)
    if after in records:
        return Transition(after, after)
    return Transition(None, after, release_record.abort_untouched(records, now))


def write(state_path: Path, transition: Transition) -> None:
    """Write the records that a step changed; a new release first gets the space for its notes. Raises RecordError."""
    if transition.before is None:
        store.reserve_space(state_path)
    for record in [*transition.others, transition.after]:
        store.write_record(state_path, record)
