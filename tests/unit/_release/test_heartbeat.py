# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import child
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat, store
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError

ID = "20260219T020000Z-bbbbbbbb"
NOW = datetime(2026, 2, 19, 2, tzinfo=timezone.utc)


@pytest.fixture
def lease(tmp_path):
    """The lease of a run whose release is on record."""
    opening = release_record.Opening("shop", ID, "a" * 40, "b" * 40, "run 1", "alice", 60)
    write(tmp_path, release_record.open_release([], opening, NOW))
    return heartbeat.Lease(tmp_path, "run 1", 30, 600)


def write(state_path, record):
    with store.exclusive(state_path, os.geteuid()):
        store.write_record(state_path, record)


def read(lease):
    return store.find_record(store.read_records(lease.state_path), ID)


def take_over(lease):
    """Let another run take the release."""
    write(lease.state_path, {**read(lease), "lock": {**read(lease)["lock"], "run_id": "run 2", "by": "bob"}})


@pytest.mark.parametrize(
    "given, check_mode, seconds",
    [
        (None, False, None),
        ({}, False, None),
        ({"lease": 30, "lease_after": None}, True, None),
        ({"lease": 30, "lease_after": None}, False, (30, 30)),
        ({"lease": 30, "lease_after": 600}, False, (30, 600)),
    ],
)
def test_the_lease_is_read_from_the_options_of_a_module(tmp_path, given, check_mode, seconds):
    found = heartbeat.read(given and {"state_path": str(tmp_path), "run_id": "run 1", **given}, check_mode)
    assert (found and (found.seconds, found.seconds_after)) == seconds


@pytest.mark.parametrize("name", ["lease", "lease_after"])
def test_a_lease_that_is_over_at_once_is_refused(tmp_path, name):
    given = {"state_path": str(tmp_path), "run_id": "run 1", "lease": 30, "lease_after": 30, name: 0}
    with pytest.raises(RecordError, match=f"{name} must be at least 1 second, not 0"):
        heartbeat.read(given, False)


def test_a_renewed_lease_counts_from_now_on_and_nothing_else_changes(lease):
    before = read(lease)
    later = NOW + timedelta(seconds=50)
    assert heartbeat.renew(lease, 30, later) is True
    assert read(lease) == {**before, "lock": {**before["lock"], "until": "2026-02-19T02:01:20Z"}}


def test_a_run_without_a_lease_writes_nothing(tmp_path, lease):
    take_over(lease)
    held = read(lease)
    assert heartbeat.renew(lease, 30, NOW) is False
    assert read(lease) == held
    nowhere = heartbeat.Lease(tmp_path / "none", "run 1", 30, 30)
    assert (heartbeat.renew(nowhere, 30, NOW), (tmp_path / "none").exists()) == (False, False)


def test_a_lease_that_is_lost_while_it_is_renewed_is_not_taken_back(lease, monkeypatch):
    """Between the first look and the lock of the folder another run may come."""
    exclusive = store.exclusive

    def come_late(*given):
        monkeypatch.setattr(store, "exclusive", exclusive)
        take_over(lease)
        return exclusive(*given)

    monkeypatch.setattr(store, "exclusive", come_late)
    assert heartbeat.renew(lease, 30, NOW) is False
    assert read(lease)["lock"]["run_id"] == "run 2"


def test_a_heart_beats_three_times_in_a_lease_until_the_lease_is_lost(lease):
    slept = []

    def sleep(seconds):
        slept.append((seconds, read(lease)["lock"]["until"]))
        if len(slept) == 3:
            take_over(lease)

    heartbeat.beat(lease, lambda: NOW + timedelta(seconds=sum(seconds for seconds, _until in slept)), sleep)
    untils = ["2026-02-19T02:01:00Z", "2026-02-19T02:00:40Z", "2026-02-19T02:00:50Z"]
    assert slept == [(10, until) for until in untils]
    assert read(lease)["lock"]["run_id"] == "run 2"


def test_a_record_that_cannot_be_written_for_a_moment_does_not_stop_the_heart(lease, monkeypatch):
    slept, write_record = [], store.write_record

    def fail(*_given):
        raise RecordError("the disk is full")

    def sleep(seconds):
        slept.append(seconds)
        monkeypatch.setattr(store, "write_record", fail if len(slept) == 1 else write_record)
        if len(slept) == 3:
            take_over(lease)

    heartbeat.beat(lease, lambda: NOW, sleep)
    assert (len(slept), read(lease)["lock"]["until"]) == (3, "2026-02-19T02:00:30Z")


def until(lease):
    return release_record.parse_time(read(lease)["lock"]["until"])


@pytest.fixture
def hearts(monkeypatch):
    """The processes that were started."""
    started, start = [], child.start
    monkeypatch.setattr(child, "start", lambda work: started.append(start(work)) or started[-1])
    return started


def assert_ended(hearts):
    for pid, _reader in hearts:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_lease_is_kept_as_long_as_a_module_works_and_longer_afterwards(lease, hearts):
    short = heartbeat.Lease(lease.state_path, "run 1", 1, 600)
    began = datetime.now(timezone.utc).replace(microsecond=0)
    with heartbeat.kept(short):
        first = until(lease)
        assert first >= began + timedelta(seconds=1)
        while until(lease) == first:
            pass
    assert until(lease) >= began + timedelta(seconds=600)
    assert_ended(hearts)


def test_a_module_that_fails_or_whose_run_has_no_lease_leaves_no_heart(lease, hearts, monkeypatch):
    with pytest.raises(ZeroDivisionError):
        with heartbeat.kept(lease):
            1 / 0  # noqa: B018  (it is the failure)
    assert_ended(hearts)
    take_over(lease)
    monkeypatch.setattr(child, "start", None)
    for nothing in (None, lease):
        with heartbeat.kept(nothing):
            pass


def test_a_lease_that_cannot_be_renewed_at_the_end_fails_no_module_that_has_done_its_work(lease, monkeypatch):
    def fail(*_given):
        raise RecordError("the disk is full")

    with heartbeat.kept(lease):
        monkeypatch.setattr(store, "write_record", fail)
    assert read(lease)["lock"]["run_id"] == "run 1"


def test_the_heart_stops_with_its_module(lease):
    """A module that is killed renews nothing any more."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            with heartbeat.kept(lease):
                os.kill(os.getpid(), signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    # Whoever lives on has the other end open.
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_the_heart_ends_when_the_lease_is_lost(lease):
    take_over(lease)
    parent = os.getpid()
    pid, reader = child.start(lambda: heartbeat._beat_beside(heartbeat.Lease(lease.state_path, "run 1", 1, 1), parent))
    assert os.waitpid(pid, 0)[1] == 0
    os.close(reader)


def test_what_another_run_holds_is_not_changed(lease):
    heartbeat.refuse_lost(None)
    heartbeat.refuse_lost(lease, ID)
    take_over(lease)
    with pytest.raises(
        RecordError, match="This run lost the release to another: .* held by bob .*; wait for it to end"
    ):
        heartbeat.refuse_lost(lease, ID)
    write(lease.state_path, {**read(lease), "lock": None})
    heartbeat.refuse_lost(lease)


def test_a_lease_that_is_fresh_is_not_written_again(lease, monkeypatch):
    """A write is synced, and a run has many tasks."""
    held = read(lease)
    fresh = release_record.format_time(datetime.now(timezone.utc) + timedelta(seconds=590))
    write(lease.state_path, {**held, "lock": {**held["lock"], "until": fresh}})
    with heartbeat.kept(heartbeat.Lease(lease.state_path, "run 1", 600, 600)):
        assert read(lease)["lock"]["until"] == fresh
    assert read(lease)["lock"]["until"] == fresh
    # What a hook was given is taken back.
    with heartbeat.kept(heartbeat.Lease(lease.state_path, "run 1", 30, 30)):
        assert read(lease)["lock"]["until"] < fresh


def test_work_that_changes_something_is_not_begun_for_a_run_that_lost_its_release(lease):
    with heartbeat.holding(lease):
        assert read(lease)["lock"]["run_id"] == "run 1"
    take_over(lease)
    with pytest.raises(RecordError, match="This run lost the release to another"), heartbeat.holding(lease):
        raise AssertionError("it was begun")
