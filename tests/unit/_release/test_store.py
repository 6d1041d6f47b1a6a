# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError

RECORD = release_record.open_release(
    [],
    release_record.Opening("shop", "20260219T020000Z-bbbbbbbb", "a" * 40, "b" * 40, "run 1", "alice", 60),
    datetime(2026, 2, 19, 2, tzinfo=timezone.utc),
)
ME = os.geteuid()


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    with store.exclusive(tmp_path / "state", ME):
        store.write_record(tmp_path / "state", RECORD)
    file = tmp_path / "state" / "releases" / "20260219T020000Z-bbbbbbbb.json"
    assert store.read_records(tmp_path / "state") == [RECORD]
    assert (file.stat().st_mode & 0o777, file.parent.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_the_order_of_releases_is_that_in_which_they_began_and_not_that_of_a_clock(tmp_path):
    """A release of an older version has no sequence, and comes before all that have one."""
    ids = [f"{year}0101T000000Z-bbbbbbbb" for year in ("2025", "2026", "2099", "2027")]
    older = {name: value for name, value in RECORD.items() if name != "sequence"}
    with store.exclusive(tmp_path, ME):
        for release_id, sequence in zip(ids, (None, None, 1, 2)):
            more = older if sequence is None else {**RECORD, "sequence": sequence}
            store.write_record(tmp_path, {**more, "id": release_id})
    assert [record["id"] for record in store.read_records(tmp_path)] == ids


def test_what_a_killed_writer_left_is_replaced(tmp_path):
    with store.exclusive(tmp_path, ME):
        (tmp_path / "releases" / f".{RECORD['id']}.json.partial").write_text("{")
        store.write_record(tmp_path, RECORD)
    assert store.read_records(tmp_path) == [RECORD]


def test_a_folder_without_records_has_none(tmp_path):
    assert store.read_records(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "is not valid JSON, perhaps truncated; restore it from a backup"),
        ("\\udcff", "is not valid JSON"),
        ("[]", "is not a release record; move it out of the folder"),
        ('{"format": 9}', "has format 9, this version reads 1"),
    ],
)
def test_a_file_that_is_no_record_is_named(tmp_path, text, message):
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "x.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RecordError, match=f"x.json {message}"):
        store.read_records(tmp_path)


def test_a_record_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases" / "x.json").symlink_to("x.json")
    with pytest.raises(RecordError, match="Cannot read the release records"):
        store.read_records(tmp_path)


def test_a_folder_that_cannot_be_made_is_named_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"Cannot use .* create it for the user who runs the app"):
        with store.exclusive(tmp_path / "file" / "state", ME):
            pass


def test_a_folder_that_others_can_write_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(RecordError, match=r"can be written by other users .mode 0777.; chmod it to 0700"):
        with store.exclusive(tmp_path, ME):
            pass


def test_a_record_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(RecordError, match=r"Cannot write the release record .*: No such file or directory"):
        store.write_record(tmp_path / "nothing", RECORD)


def test_the_mutex_does_not_follow_a_link(tmp_path):
    (tmp_path / "releases").mkdir()
    os.symlink("/dev/null", str(tmp_path / ".mutex"))
    with pytest.raises(RecordError, match="Cannot use"):
        with store.exclusive(Path(tmp_path), ME):
            pass


@pytest.mark.parametrize("wanted, found", [(None, "b"), ("a", "a")])
def test_the_newest_record_is_meant_unless_an_id_is_given(wanted, found):
    assert store.find_record([{"id": "a"}, {"id": "b"}], wanted)["id"] == found


@pytest.mark.parametrize("records, wanted", [([], None), ([{"id": "a"}], "c")])
def test_a_release_that_is_not_on_record_is_an_error(records, wanted):
    with pytest.raises(RecordError, match="on record; deploy one first"):
        store.find_record(records, wanted)


def test_a_folder_of_another_user_is_refused(tmp_path):
    if ME == 0:
        os.chown(str(tmp_path), 12345, -1)
    with pytest.raises(RecordError, match=r"belongs to .*, whose commands this user must not run; become that user"):
        with store.exclusive(tmp_path, ME and ME + 1):
            pass


def test_a_switch_waits_for_the_one_before_and_names_it_when_that_does_not_end(tmp_path):
    seconds = []
    first = store.hold_switch(tmp_path, 5, lambda: 0.0, seconds.append)
    with pytest.raises(RecordError, match=f"Process {os.getpid()} of another run has been at the switch for 5 seconds"):
        store.hold_switch(tmp_path, 5, lambda: float(len(seconds)), seconds.append)
    assert seconds == [0.1] * 5
    second = store.hold_switch(tmp_path, 5, lambda: 0.0, lambda _seconds: os.close(first))
    assert (tmp_path / ".switch").stat().st_mode & 0o777 == 0o600
    os.close(second)


def test_a_switch_is_locked_on_a_full_disk_too(tmp_path, monkeypatch):
    """The number of the process is only for whoever waits."""

    def full(*_given):
        raise no_space()

    monkeypatch.setattr(store.os, "pwrite", full)
    held = store.hold_switch(tmp_path, 5, lambda: 0.0, lambda _seconds: None)
    seconds = iter((0.0, 9.0))
    with pytest.raises(RecordError, match="Process unknown of another run has been at the switch for 5 seconds"):
        store.hold_switch(tmp_path, 5, lambda: next(seconds), lambda _seconds: None)
    os.close(held)


def hold(tmp_path):
    store.hold_switch(tmp_path, 5, lambda: 0.0, lambda _seconds: None)


def use(tmp_path):
    with store.exclusive(tmp_path, ME):
        pass


@pytest.mark.parametrize(
    "number, remedy",
    [
        (errno.ENOSPC, "No space left on device; free some space first"),
        (errno.EMFILE, r"Too many open files; raise the limit of open files \(ulimit -n\)"),
        (errno.EIO, "Input/output error; check the disk"),
    ],
)
@pytest.mark.parametrize("work", [hold, use])
def test_a_fault_of_the_host_has_its_own_remedy(tmp_path, monkeypatch, number, remedy, work):
    def refuse(_path):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(store.trust, "open_lock", refuse)
    with pytest.raises(RecordError, match=remedy):
        work(tmp_path)


def test_a_switch_cannot_be_locked_where_there_is_no_place_for_it(tmp_path):
    assert store.hold_switch(tmp_path / "nothing", 5, lambda: 0.0, lambda _seconds: None) is None
    (tmp_path / ".switch").symlink_to("/dev/null")
    with pytest.raises(RecordError, match=r"Cannot lock .*\.switch: .*; become the user who runs the app"):
        store.hold_switch(tmp_path, 5, lambda: 0.0, lambda _seconds: None)


@pytest.fixture
def full_disk(monkeypatch):
    """Let the first writings fail as on a full disk, as many as the list says."""
    failures = []
    write = files.write_synced

    def fail_first(path, text):
        if failures:
            path.write_text(text[:9])
            raise failures.pop()
        return write(path, text)

    monkeypatch.setattr(files, "write_synced", fail_first)
    return failures


def no_space():
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_room_for_what_a_release_has_begun(tmp_path, full_disk):
    with store.exclusive(tmp_path, ME):
        store.reserve_space(tmp_path)
        store.reserve_space(tmp_path)
        assert (tmp_path / ".reserve").stat().st_size == 1 << 20
        full_disk.append(no_space())
        store.write_record(tmp_path, RECORD)
    assert store.read_records(tmp_path) == [RECORD]
    assert not (tmp_path / ".reserve").exists()


def test_a_full_disk_without_a_reserve_keeps_the_old_record_and_no_half_of_the_new_one(tmp_path, full_disk):
    with store.exclusive(tmp_path, ME):
        store.write_record(tmp_path, RECORD)
        full_disk.append(no_space())
        with pytest.raises(RecordError, match="No space left on device; nothing was done that is not in it"):
            store.write_record(tmp_path, {**RECORD, "stage": "switching"})
    assert store.read_records(tmp_path) == [RECORD]
    assert os.listdir(str(tmp_path / "releases")) == [f"{RECORD['id']}.json"]


def test_a_release_begins_only_where_its_notes_have_room(tmp_path, full_disk):
    full_disk.append(no_space())
    with pytest.raises(
        RecordError, match=r"Cannot set 1 MiB aside in .*: No space left on device; free some space first"
    ):
        store.reserve_space(tmp_path)
    assert os.listdir(str(tmp_path)) == []


def test_the_backups_of_releases_that_could_be_rolled_back_are_kept(tmp_path):
    with store.exclusive(tmp_path, ME):
        store.write_record(tmp_path, {**RECORD, "facts": {"backup": "/backups/shop.db"}})
    assert store.backups_to_keep(tmp_path, check_mode=False) == ["/backups/shop.db"]


@pytest.mark.parametrize("state_path, check_mode", [(None, False), (None, True), (Path("/nowhere"), True)])
def test_without_a_folder_of_records_no_backup_is_kept(state_path, check_mode):
    assert store.backups_to_keep(state_path, check_mode) == []


@pytest.mark.parametrize("name, check_mode", [("missing", False), ("", False), ("", True)])
def test_a_folder_that_holds_no_records_is_refused(tmp_path, name, check_mode):
    with pytest.raises(RecordError, match="is not a folder of release records; correct it, or leave it out"):
        store.backups_to_keep(tmp_path / name, check_mode)


def test_what_was_planted_as_a_lock_is_not_opened(tmp_path):
    for name in (".mutex", ".switch"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(RecordError, match="mutex is not a regular file; remove it"), store.exclusive(tmp_path, ME):
        pass
    with pytest.raises(RecordError, match="switch is not a regular file; remove it"):
        store.hold_switch(tmp_path, 1, lambda: 0.0, lambda _seconds: None)


def test_what_was_planted_as_a_record_is_not_read(tmp_path, owners):
    (tmp_path / "releases").mkdir()
    os.mkfifo(tmp_path / "releases" / "x.json")
    with pytest.raises(RecordError, match="x.json is not a regular file; remove it, .* if it is no release record"):
        store.read_records(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "state").symlink_to("..")
    owners.give(tmp_path / "shop" / "state", 12345)
    with pytest.raises(RecordError, match="shop/state is a link of uid 12345 to"):
        with store.exclusive(tmp_path / "shop" / "state", 0):
            pass
