# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the lease of a run while a module works, so that a lease can be short and long work does not lose it.

A process beside the module renews the lease, since the work of a module may wait for a command, a disk or an app.
It dies with the module. It renews only a lease that is still of its run, and never takes one back.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._host import child
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import Record, RecordError

# Two renewals may fail or be late before the lease is over.
_BEATS_IN_A_LEASE = 3
OPTIONS: Mapping[str, Any] = {
    "state_path": {"type": "path", "required": True},
    "run_id": {"type": "str", "default": ""},
    "lease": {"type": "int", "default": 300},
    "lease_after": {"type": "int"},
}


@dataclass(frozen=True)
class Lease:
    """The lease of a run: for how many seconds each renewal counts, and for how many the last one."""

    state_path: Path
    run_id: str
    seconds: int
    seconds_after: int


def read(given: Optional[Mapping[str, Any]], check_mode: bool) -> Optional[Lease]:
    """Return the lease that the options of a module name, None where there is none to renew. Raises RecordError."""
    if not given or not given["run_id"] or check_mode:
        return None
    after = given["lease"] if given["lease_after"] is None else given["lease_after"]
    for name, value in (("lease", given["lease"]), ("lease_after", after)):
        if value < 1:
            raise RecordError(f"{name} must be at least 1 second, not {value}")
    return Lease(Path(given["state_path"]), given["run_id"], given["lease"], after)


@contextlib.contextmanager
def kept(lease: Optional[Lease]) -> Iterator[None]:
    """Renew the lease of a run as long as the context lasts, if the run has one. Raises RecordError at its begin."""
    held = _held(lease) if lease else None
    if lease is None or held is None or not (_is_fresh(lease, held, _now()) or renew(lease, lease.seconds, _now())):
        yield
        return
    parent = os.getpid()
    pid, reader = child.start(lambda: _beat_beside(lease, parent))
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reader)
        # The next task of the run finds out, and says, what is wrong with the record.
        with contextlib.suppress(RecordError):
            if lease.seconds_after != lease.seconds:
                renew(lease, lease.seconds_after, _now())


@contextlib.contextmanager
def holding(lease: Optional[Lease]) -> Iterator[None]:
    """Do as `kept`, for work that changes something. Raises RecordError first where another run holds the release."""
    refuse_lost(lease)
    with kept(lease):
        yield


def _is_fresh(lease: Lease, record: Record, now: datetime) -> bool:
    """Say whether the lease was renewed a moment ago, so that a short task need not write the record."""
    left = (release_record.parse_time(record["lock"]["until"]) - now).total_seconds()
    return lease.seconds * (1 - 1 / _BEATS_IN_A_LEASE) <= left <= lease.seconds


def _beat_beside(lease: Lease, parent: int) -> None:
    child.die_with_parent(parent)
    beat(lease, _now, time.sleep)


def beat(lease: Lease, now: Callable[[], datetime], sleep: Callable[[float], None]) -> None:
    """Renew the lease again and again, until it is not of its run any more."""
    holds = True
    while holds:
        sleep(lease.seconds / _BEATS_IN_A_LEASE)
        # As on a disk that is full for a moment: there is time for another try.
        with contextlib.suppress(RecordError):
            holds = renew(lease, lease.seconds, now())


def renew(lease: Lease, seconds: int, now: datetime) -> bool:
    """Renew the lease, and say whether the run had it. Raises RecordError."""
    # Most who ask have none: they lock and write nothing.
    if _held(lease) is None:
        return False
    with store.exclusive(lease.state_path, os.geteuid()):
        record = _held(lease)
        if record is not None:
            store.write_record(lease.state_path, release_record.renewed(record, seconds, now))
    return record is not None


def _held(lease: Lease) -> Optional[Record]:
    records = store.read_records(lease.state_path)
    return next((each for each in records if each["lock"] and each["lock"]["run_id"] == lease.run_id), None)


def refuse_lost(lease: Optional[Lease], release_id: Optional[str] = None) -> None:
    """Raise RecordError where another run holds the release by now: nothing more may be changed."""
    if lease is None:
        return
    record = store.find_record(store.read_records(lease.state_path), release_id)
    if record["lock"] and record["lock"]["run_id"] != lease.run_id:
        raise RecordError(
            f"This run lost the release to another: {release_record.describe_lock(record, _now())}; wait for it to end"
        )


def _now() -> datetime:
    return datetime.now(timezone.utc)
