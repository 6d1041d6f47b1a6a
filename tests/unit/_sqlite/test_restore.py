# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host.trust import TrustError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import inspection as sqlite_inspection
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import restore, restore_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import Host, leave_long_wal, no_longer_than


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def test_a_restore_puts_the_backup_in_place_and_sets_the_old_one_aside(host):
    host.path.chmod(0o640)
    host.sql("INSERT INTO t VALUES (3)")
    done = restore.restore(host.wanted)
    assert (done["changed"], done["set_aside"], done["lost"]) == (
        True,
        str(host.kept),
        "t: 1 row newer than the backup",
    )
    assert done["differences"] == {"t": {"live": 3, "backup": 2, "newer": 1, "changed": 0, "gone": 0}}
    assert (os.listdir(host.path.parent), os.listdir(host.aside)) == (["app.db"], [host.kept.name])
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA journal_mode")) == (2, "wal")
    assert host.path.stat().st_mode & 0o777 == 0o640
    assert host.read("SELECT count(*) FROM t", host.kept / "app.db") == 3
    assert (host.kept / "app.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_a_compressed_backup_is_restored(tmp_path, compression):
    host = Host(tmp_path, compression=compression)
    host.sql("INSERT INTO t VALUES (3)")
    assert restore.restore(host.wanted)["changed"] is True
    assert host.read("SELECT count(*) FROM t") == 2


def test_an_updated_backup_is_restored_with_its_last_row(host):
    host.want_update()
    host.sql("DROP TABLE t")
    assert restore.restore(host.wanted)["lost"] == "t: 3 rows deleted since"
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA journal_mode")) == (3, "wal")


@pytest.mark.parametrize("update", [False, True])
def test_restoring_what_is_there_changes_nothing(host, update):
    if update:
        host.want_update()
    host.sql("INSERT INTO t VALUES (4)")
    restore.restore(host.wanted)
    before = host.path.stat().st_ino
    again = restore.restore(host.want(token="again"))
    assert (again["changed"], again["set_aside"]) == (False, None)
    assert again["reason"] == "the database holds what the backup holds"
    assert (host.path.stat().st_ino, os.listdir(host.aside)) == (before, [host.kept.name])


def test_a_sound_database_of_the_same_schema_can_be_left_alone(host, monkeypatch):
    monkeypatch.setattr(sqlite_inspection.proc, "holders", lambda _files: {4711: "node"})
    host.sql("INSERT INTO t VALUES (3)")
    done = restore.restore(host.want(only_if_changed=True))
    assert (done["changed"], done["lost"], host.read("SELECT count(*) FROM t")) == (False, "", 3)


def test_a_changed_database_that_is_open_is_not_touched(host, monkeypatch):
    monkeypatch.setattr(sqlite_inspection.proc, "holders", lambda _files: {4711: "node"})
    host.sql("PRAGMA user_version = 5")
    with pytest.raises(SqliteError, match=r"is open in process 4711 \(node\)"):
        restore.restore(host.want(only_if_changed=True))
    assert (host.read("PRAGMA user_version"), host.aside.exists()) == (5, False)


def test_the_journal_mode_of_the_database_comes_back(tmp_path):
    host = Host(tmp_path, mode="DELETE")
    host.sql("INSERT INTO t VALUES (3)")
    restore.restore(host.wanted)
    assert host.read("PRAGMA journal_mode") == "delete"


def kill_app(host, row):
    """Leave what a killed process leaves: the file, and a WAL that nobody folded."""
    app = sqlite3.connect(host.path, isolation_level=None)
    app.execute(f"INSERT INTO t VALUES ({row})")
    left = {suffix: Path(f"{host.path}{suffix}").read_bytes() for suffix in ("", "-wal", "-shm")}
    app.close()
    for suffix, content in left.items():
        Path(f"{host.path}{suffix}").write_bytes(content)
    return left


def test_the_wal_of_a_killed_app_is_never_replayed_onto_the_backup_and_is_kept_as_it_is(host):
    """A plain cp over the file would replay it."""
    left = kill_app(host, 3)
    assert restore.restore(host.wanted)["lost"] == "t: 1 row newer than the backup"
    assert (host.read("SELECT count(*) FROM t"), host.read("PRAGMA integrity_check")) == (2, "ok")
    for suffix in ("", "-wal"):
        assert (host.kept / f"app.db{suffix}").read_bytes() == left[suffix]
    assert host.read("SELECT count(*) FROM t", host.kept / "app.db") == 3


def test_there_must_be_room_before_what_a_killed_app_left_is_kept(host, monkeypatch):
    left = kill_app(host, 3)
    monkeypatch.setattr(restore_plan.shutil, "disk_usage", lambda _path: namedtuple("Usage", "free")(5))
    with pytest.raises(SqliteError, match=r"No space to restore .*app.db: \d+ bytes are needed in .*, 5 are free"):
        restore.restore(host.wanted)
    assert (Path(f"{host.path}-wal").read_bytes(), host.aside.exists()) == (left["-wal"], False)


@pytest.mark.parametrize("only_if_changed", [False, True])
def test_what_a_killed_app_left_is_not_kept_twice_or_for_nothing(host, only_if_changed):
    restore.restore(host.want(token="first"))
    kill_app(host, 3)
    if not only_if_changed:
        host.sql("DELETE FROM t WHERE x = 3")
        host.path.write_bytes(Path(host.manifest["path"]).read_bytes())
        Path(f"{host.path}-wal").write_bytes(b"no valid frame in here")
    done = restore.restore(host.want(only_if_changed=only_if_changed))
    assert (done["changed"], list(host.aside.glob("*xyz*"))) == (False, [])


def test_a_missing_database_is_restored_private(host):
    host.path.unlink()
    done = restore.restore(host.want(only_if_changed=True))
    assert (done["changed"], done["set_aside"], "does not exist" in done["reason"]) == (True, None, True)
    assert (host.path.stat().st_mode & 0o777, host.read("SELECT count(*) FROM t")) == (0o600, 2)


@pytest.mark.parametrize("garbage", [b"garbage" * 999, None])
def test_a_damaged_database_is_replaced_and_kept_as_it_is(host, garbage):
    content = garbage or host.damage()
    host.path.write_bytes(content)
    done = restore.restore(host.want(only_if_changed=True))
    assert (done["changed"], "not sound" in done["reason"], done["differences"]) == (True, True, {})
    assert (host.kept / "app.db").read_bytes() == content
    assert host.read("SELECT count(*) FROM t") == 2


def test_sidecars_of_a_damaged_database_are_set_aside_and_do_not_stay(host):
    host.path.write_bytes(b"garbage" * 999)
    for suffix in ("-wal", "-shm", "-journal"):
        host.path.with_name(f"app.db{suffix}").write_bytes(suffix.encode())
    restore.restore(host.wanted)
    assert os.listdir(host.path.parent) == ["app.db"]
    assert (host.kept / "app.db-journal").read_bytes() == b"-journal"
    assert sorted(os.listdir(host.kept)) == ["app.db", "app.db-journal", "app.db-shm", "app.db-wal", "app.db.json"]


def test_orphaned_sidecars_are_set_aside_and_never_replayed(host):
    kill_app(host, 3)
    host.path.unlink()
    restore.restore(host.wanted)
    assert (host.read("SELECT count(*) FROM t"), sorted(os.listdir(host.kept))) == (2, ["app.db-shm", "app.db-wal"])


@pytest.mark.parametrize("step", ["copy_in_kernel", "sync_in_steps"])
@pytest.mark.parametrize("call", [1, 2])
def test_a_full_disk_leaves_the_old_database_as_it_was(host, monkeypatch, step, call):
    """The first call is for the new file, the second for what is set aside."""
    host.sql("INSERT INTO t VALUES (3)")
    calls, work = [], getattr(restore.files, step)

    def full(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            raise OSError(28, "No space left on device")
        return work(*arguments)

    monkeypatch.setattr(restore.files, step, full)
    with pytest.raises(SqliteError, match="Cannot restore .*: No space left on device; it was left as it was"):
        restore.restore(host.wanted)
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.path.parent)) == (3, ["app.db"])
    assert (os.listdir(host.aside) if host.aside.exists() else []) == []


def holders_of(monkeypatch, *answers):
    remaining = list(answers)
    monkeypatch.setattr(sqlite_inspection.proc, "holders", lambda _files: remaining.pop(0))


def test_a_database_that_is_open_is_not_touched(host, monkeypatch):
    host.sql("INSERT INTO t VALUES (3)")
    monkeypatch.setattr(sqlite_inspection.proc, "holders", lambda _files: {4711: "node"})
    with pytest.raises(SqliteError, match=r"is open in process 4711 \(node\)"):
        restore.restore(host.wanted)
    assert (host.read("SELECT count(*) FROM t"), host.aside.exists()) == (3, False)


def test_a_database_that_is_closed_while_it_is_judged_is_restored_all_the_same(host, monkeypatch):
    host.sql("ALTER TABLE t ADD COLUMN y")
    holders_of(monkeypatch, {4711: "node"}, {}, {}, {})
    result = restore.restore(host.want(only_if_changed=True))
    assert (result["restored"], result["reason"]) == (True, "the schema changed since the backup")
    assert host.read("SELECT count(*) FROM pragma_table_info('t')") == 1


def test_a_process_that_opens_the_database_meanwhile_stops_the_restore(host, monkeypatch):
    host.sql("INSERT INTO t VALUES (3)")
    holders_of(monkeypatch, {}, {4711: "node"})
    with pytest.raises(SqliteError, match=r"is open in process 4711 \(node\)"):
        restore.restore(host.wanted)
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.path.parent)) == (3, ["app.db"])


def test_a_process_that_opened_the_old_database_at_the_last_moment_is_named(host, monkeypatch):
    host.sql("INSERT INTO t VALUES (3)")
    holders_of(monkeypatch, {}, {}, {4711: "node"})
    message = r"was restored, but process 4711 \(node\) had opened the old one .* What was replaced is in .*replaced"
    with pytest.raises(SqliteError, match=message):
        restore.restore(host.wanted)
    assert (host.read("SELECT count(*) FROM t"), host.read("SELECT count(*) FROM t", host.kept / "app.db")) == (2, 3)


def test_a_process_that_we_cannot_see_keeps_its_database(host):
    app = sqlite3.connect(host.path, isolation_level=None)
    app.executescript("INSERT INTO t VALUES (3); BEGIN; SELECT * FROM t;")
    with pytest.raises(SqliteError, match="is locked by another process"):
        restore.restore(host.want(timeout=0.01))
    app.close()
    assert host.read("SELECT count(*) FROM t") == 3


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("step", ["_keep", "_swap"])
def test_no_row_is_committed_between_what_is_set_aside_and_what_is_restored(host, monkeypatch, left, step):
    """A short-lived writer, such as a job of cron, finds the old database locked and the new one in its place."""
    if left:
        kill_app(host, 3)
    else:
        host.sql("INSERT INTO t VALUES (3)")
    work, tried = getattr(restore, step), []

    def write_meanwhile(*arguments):
        job = sqlite3.connect(host.path, isolation_level=None, timeout=0)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            job.execute("INSERT INTO t VALUES (4)")
        job.close()
        tried.append(step)
        return work(*arguments)

    monkeypatch.setattr(restore, step, write_meanwhile)
    restore.restore(host.wanted)
    assert (tried, host.read("SELECT count(*) FROM t")) == ([step], 2)
    assert host.read("SELECT count(*) FROM t", host.kept / "app.db") == 3


def test_a_wal_that_cannot_be_folded_is_no_reason_to_judge_without_it(host):
    """SQLite folds it when it closes the file, and says nothing where that fails."""
    leave_long_wal(host)
    left = {suffix: Path(f"{host.path}{suffix}").read_bytes() for suffix in ("", "-wal")}
    with no_longer_than(len(left[""])), pytest.raises(SqliteError, match=r"(No space is left|disk I/O error)"):
        restore.restore(host.wanted)
    assert {suffix: Path(f"{host.path}{suffix}").read_bytes() for suffix in left} == left
    assert (host.aside.exists(), sorted(os.listdir(host.path.parent))) == (
        False,
        ["app.db", "app.db-shm", "app.db-wal"],
    )
    assert restore.restore(host.wanted)["lost"] == "t: 110 rows newer than the backup"


def test_a_restore_that_is_refused_leaves_nothing_aside(host):
    kill_app(host, 3)
    host.want(manifest={**host.manifest, "application_id": 8})
    with restore.connection(host.path, 1) as opened:
        opened.execute("PRAGMA application_id = 7")
    kill_app(host, 4)
    with pytest.raises(SqliteError, match="of another app"):
        restore.restore(host.wanted)
    assert not host.aside.exists()


def test_two_restores_do_not_meet(host):
    folder = os.open(host.path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    with pytest.raises(SqliteError, match="Another restore is at work in .*data; wait until it has ended"):
        restore.restore(host.wanted)
    os.close(folder)


def test_what_killed_restores_left_is_swept_and_nothing_else(host):
    host.aside.mkdir()
    (host.aside / ".app.db.x.replaced.partial").mkdir()
    (host.aside / ".other.db.x.replaced.partial").mkdir()
    (host.aside / ".app.db.x.replaced.staged").write_text("")
    (host.path.parent / ".app.db.restore.old").write_text("")
    host.sql("INSERT INTO t VALUES (3)")
    restore.restore(host.wanted)
    assert os.listdir(host.path.parent) == ["app.db"]
    assert sorted(os.listdir(host.aside)) == [".other.db.x.replaced.partial", host.kept.name]


def name(descriptor):
    return os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))


def test_everything_is_on_disk_before_the_old_database_gives_way(host, monkeypatch):
    steps, replace = [], os.replace

    def rename(source, target, **folders):
        steps.append("rename")
        replace(source, target, **folders)

    host.sql("INSERT INTO t VALUES (3)")
    monkeypatch.setattr(restore.os, "fsync", lambda descriptor: steps.append(name(descriptor)))
    monkeypatch.setattr(restore.os, "replace", rename)
    restore.restore(host.wanted)
    keeping = f".{host.kept.name}.partial"
    manifest = [".app.db.json.partial", "rename", keeping]
    assert steps == [".app.db.restore.xyz", "app.db", *manifest, keeping, "aside", "data", "rename", "data"]


@pytest.mark.parametrize("step", ["_keep", "refuse_exchanged"])
def test_a_folder_that_is_exchanged_meanwhile_leads_to_no_other_database(host, monkeypatch, tmp_path, step):
    """Whoever owns the folder above can do that, and could have planted a file under the name of the new one."""
    host.sql("INSERT INTO t VALUES (3)")
    other, data, module = tmp_path / "other", host.path.parent, restore if step == "_keep" else restore.trust
    other.mkdir()
    for file in ("app.db", "app.db-wal", host.wanted.staged.name):
        (other / file).write_text("theirs")
    work = getattr(module, step)

    def exchange(*given):
        found = work(*given)
        data.rename(tmp_path / "moved")
        data.symlink_to(other)
        monkeypatch.setattr(module, step, work)
        return found

    monkeypatch.setattr(module, step, exchange)
    # In the very moment after the last look the restore ends in the folder that it holds.
    told = pytest.raises(TrustError, match="data was exchanged for another folder") if step == "_keep" else None
    with told or contextlib.suppress(SqliteError, TrustError):
        restore.restore(host.wanted)
    assert {path.name: path.read_text() for path in other.iterdir() if path.name != host.wanted.staged.name} == {
        "app.db": "theirs",
        "app.db-wal": "theirs",
    }
    assert host.read("SELECT count(*) FROM t", tmp_path / "moved" / "app.db") in ((3,) if told else (2, 3))


def test_a_folder_that_cannot_be_synced_after_the_rename_is_reported_as_it_is(host, monkeypatch):
    synced, sync = [], os.fsync

    def fail(descriptor):
        synced.append(name(descriptor))
        if synced.count("data") == 2:
            raise OSError(5, "Input/output error")
        sync(descriptor)

    host.sql("INSERT INTO t VALUES (3)")
    monkeypatch.setattr(restore.os, "fsync", fail)
    with pytest.raises(
        SqliteError, match="was restored, but then the system said: Input/output error; check the disk. What"
    ):
        restore.restore(host.wanted)
    assert (host.read("SELECT count(*) FROM t"), host.read("SELECT count(*) FROM t", host.kept / "app.db")) == (2, 3)


@pytest.mark.parametrize("left", [False, True])
def test_what_was_ruled_before_is_restored_without_reading_the_database(host, monkeypatch, left):
    """Users wait meanwhile. The rows are compared afterwards, by what was set aside."""
    host.sql("INSERT INTO t VALUES (3)")
    if left:
        kill_app(host, 4)
    differs = restore.prepare(host.want(why="a table is gone"))
    assert (differs, host.wanted.staged.exists()) == (True, True)
    host.want(differs=differs)
    reading = ((restore.stage, "stage"), (restore.stage, "same_content"), (restore, "compare_rows"))
    with monkeypatch.context() as patched:
        for module, name in (*reading, (sqlite_inspection, "check")):
            patched.setattr(module, name, None)
        done = restore.restore(host.wanted)
    assert (done["restored"], done["reason"], done["lost"]) == (True, "a table is gone", "")
    assert (host.read("SELECT count(*) FROM t"), os.listdir(host.path.parent)) == (2, ["app.db"])
    assert restore.compare_set_aside(host.wanted, host.kept)["t"]["newer"] == 1 + left
    assert sorted(os.listdir(host.aside)) == [host.kept.name]


def test_it_is_known_before_the_stop_whether_there_is_something_to_restore(host):
    host.want(why="a restore was asked for")
    assert restore.prepare(host.wanted) is False
    assert restore.restore(host.wanted)["reason"] == "the database holds what the backup holds"
    host.path.unlink()
    assert restore.prepare(host.wanted) is True


def test_a_file_that_was_prepared_and_not_used_is_swept_and_one_that_fails_leaves_nothing(host, monkeypatch):
    restore.prepare(host.wanted)
    restore.prepare(host.want(token="other"))
    assert sorted(os.listdir(host.path.parent)) == [".app.db.restore.other", "app.db"]

    def full(*_given):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(restore.stage, "make_like", full)
    with pytest.raises(SqliteError, match="No space left on device; it was left as it was"):
        restore.prepare(host.want(token="third"))
    assert os.listdir(host.path.parent) == ["app.db"]


@pytest.mark.parametrize("garbage", [b"garbage" * 999, None])
def test_of_a_damaged_database_no_rows_are_compared(host, garbage):
    host.path.write_bytes(garbage or host.damage())
    done = restore.restore(host.want(why="it is damaged"))
    assert (done["restored"], host.read("SELECT count(*) FROM t")) == (True, 2)
    assert restore.compare_set_aside(host.wanted, host.kept) == {}
