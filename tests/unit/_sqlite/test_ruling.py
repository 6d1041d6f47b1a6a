# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup, inspection, ruling
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import LockedError, SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.ruling import Bounds, rule
from sqlite_host import NOW, Host

YOUNG, OLD, LAX = Bounds(600, 0, 60), Bounds(600, 0, 72000), Bounds(600, 3, 72000)
INCOMPATIBLE = "ALTER TABLE t RENAME COLUMN x TO y;"
CANNOT = "the schema changed since the backup, and the old code cannot use it: column x of table t is gone"


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


@pytest.mark.parametrize(
    "change, reason",
    [
        ("INSERT INTO t VALUES (3)", "the schema is that of the backup"),
        (
            "CREATE TABLE day_20260219 (x); CREATE INDEX i ON t (x); ALTER TABLE t ADD y; INSERT INTO t VALUES (3, 4)",
            "the old code can use the schema, which was only added to",
        ),
    ],
)  # fmt: skip
def test_what_the_old_code_can_use_is_kept_at_any_age_and_needs_no_backup(host, change, reason):
    host.sql(change)
    Path(host.manifest["path"]).write_bytes(b"damaged")
    for bounds in (YOUNG, OLD):
        ruled = rule(host.wanted, bounds, with_rows=True)
        assert (ruled.restores, ruled.reason, ruled.question, ruled.lost) == (False, reason, "", "")


@pytest.mark.parametrize(
    "old_code, restores, reason",
    [
        ("", False, "the old code can use the schema, which was only added to, and was seen to run with it"),
        ("it ended", True, "the schema changed, and the old code did not run with it: it ended"),
    ],
)  # fmt: skip
def test_what_was_tried_before_the_switch_decides_whether_old_code_can_use_a_schema(host, old_code, restores, reason):
    bounds = Bounds(600, 0, 60, old_code)
    same = rule(host.wanted, bounds)
    assert (same.restores, same.reason) == (False, "the schema is that of the backup")
    host.sql("ALTER TABLE t ADD y")
    ruled = rule(host.wanted, bounds)
    assert (ruled.restores, ruled.reason) == (restores, reason)


@pytest.mark.parametrize(
    "bounds, change, restores, lost",
    [
        (YOUNG, "INSERT INTO t VALUES (3), (4)", True, ""),
        (OLD, "INSERT INTO t VALUES (3), (4)", False, "t: 2 rows newer than the backup"),
        (OLD, "", True, ""),
        (LAX, "INSERT INTO t VALUES (3), (4)", True, "t: 2 rows newer than the backup"),
        (LAX, "INSERT INTO t VALUES (3), (4), (5); DELETE FROM t WHERE y = 1", False,
         "t: 3 rows newer than the backup, 1 row deleted since"),
    ],
)  # fmt: skip
def test_what_the_old_code_cannot_use_is_restored_only_where_that_costs_little(host, bounds, change, restores, lost):
    host.sql(INCOMPATIBLE + change)
    ruled = rule(host.wanted, bounds)
    assert (ruled.restores, ruled.reason, ruled.lost, ruled.question != "") == (restores, CANNOT, lost, not restores)


def test_the_question_says_what_is_lost_and_both_answers(host):
    host.sql(INCOMPATIBLE + "INSERT INTO t VALUES (3)")
    question = rule(host.wanted, OLD).question
    assert f"{host.path}: {CANNOT}. The switch was 20h ago" in question
    assert "the backup of 2026-02-19T02:00:00.000000Z would undo: t: 1 row newer than the backup." in question
    assert "-e greenlight_rollback_database=restore" in question and "-e greenlight_rollback_database=keep" in question


@pytest.mark.parametrize("change", ["", "INSERT INTO t VALUES (3);"])
def test_a_rehearsal_counts_what_a_restore_costs(host, change):
    host.sql(change)
    assert rule(host.wanted, None).differences == {}
    lost = "t: 1 row newer than the backup" if change else ""
    assert rule(host.wanted, None, with_rows=True).lost == lost
    host.sql(INCOMPATIBLE)
    assert rule(host.wanted, YOUNG, with_rows=True).lost == lost


def test_rows_of_an_updated_backup_are_compared_as_well(host):
    host.want_update()
    host.sql(INCOMPATIBLE + "INSERT INTO t VALUES (4)")
    assert rule(host.wanted, OLD).lost == "t: 1 row newer than the backup"
    assert [path.name for path in host.folder.rglob("*.staged")] == []


def test_a_migration_of_data_alone_counts_by_its_ledger_whose_rows_are_no_loss(tmp_path):
    folder = tmp_path / "knex"
    folder.mkdir()
    host = Host(folder)
    host.sql("CREATE TABLE knex_migrations (id INTEGER PRIMARY KEY, name)")
    host.want(manifest=backup.make_backup(host.plan("new")))
    host.sql("INSERT INTO knex_migrations (name) VALUES ('2_fill.js')")
    ruled = rule(host.wanted, OLD)
    assert (ruled.restores, "a migration changed the data: 2_fill.js" in ruled.reason) == (True, True)


def test_a_backup_that_is_needed_and_not_fit_is_named_with_the_way_out(host):
    host.sql(INCOMPATIBLE)
    Path(host.manifest["path"]).write_bytes(b"damaged")
    for bounds in (None, YOUNG):
        with pytest.raises(SqliteError, match="is not sound: .*; or leave .* greenlight_rollback_database=keep"):
            rule(host.wanted, bounds)


def test_a_manifest_that_says_nothing_of_the_schema_makes_every_change_one_to_ask_about(host):
    host.want(manifest={**host.manifest, "schema": None})
    assert rule(host.wanted, YOUNG).reason == "the schema is that of the backup"
    host.sql("CREATE TABLE u (x)")
    assert "whose manifest does not say how" in rule(host.wanted, YOUNG).reason


def test_a_database_of_another_app_is_not_restored(host):
    host.sql(INCOMPATIBLE + "PRAGMA application_id = 7")
    with pytest.raises(SqliteError, match="so it is of another app"):
        rule(host.want(manifest={**host.manifest, "application_id": 8}), YOUNG)


@pytest.mark.parametrize("bounds", [YOUNG, OLD])
def test_a_database_that_is_gone_is_restored(host, bounds):
    host.path.unlink()
    ruled = rule(host.wanted, bounds, with_rows=True)
    assert (ruled.restores, "it does not exist" in ruled.reason) == (True, True)


@pytest.mark.parametrize("garbage", [b"garbage" * 999, None])
@pytest.mark.parametrize("bounds, restores", [(YOUNG, True), (OLD, False)])
def test_of_a_damaged_database_nobody_knows_what_a_restore_costs(host, garbage, bounds, restores):
    host.path.write_bytes(garbage or host.damage())
    ruled = rule(host.wanted, bounds)
    assert (ruled.restores, "the live database is not sound" in ruled.reason) == (restores, True)
    assert ("would undo: rows that cannot be counted" in ruled.question) is not restores


def test_a_large_database_is_not_read_as_a_whole(host, monkeypatch):
    host.damage()
    monkeypatch.setattr(ruling, "_CHECKED_BYTES", 4096)
    assert rule(host.wanted, YOUNG).restores is False


def test_a_database_in_which_readers_disturb_writers_is_not_checked_while_the_app_serves(host, monkeypatch):
    host.damage()
    monkeypatch.setattr(ruling, "find_holders", lambda _real: {4711: "node"})
    assert rule(host.wanted, YOUNG).restores is False


def test_a_table_that_cannot_be_read_here_is_no_damage(host, monkeypatch):
    def refuse(*_given, **_more):
        raise SqliteError("cannot be checked here")

    monkeypatch.setattr(ruling, "check", refuse)
    assert rule(host.wanted, OLD).reason == "the schema is that of the backup"


def test_a_lock_leaves_the_ruling_to_the_time_when_the_app_has_stopped(host, monkeypatch):
    monkeypatch.setattr(inspection, "find_holders", lambda _real: {4711: "node"})
    host.sql("PRAGMA journal_mode = DELETE;" + INCOMPATIBLE)
    with contextlib.closing(sqlite3.connect(host.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        host.want(timeout=0.01)
        assert rule(host.wanted, YOUNG) is None
        with pytest.raises(LockedError):
            rule(host.wanted, YOUNG, alone=True)
    assert rule(host.wanted, YOUNG, alone=True).restores is True


def test_an_unfinished_transaction_is_finished_only_when_the_app_has_stopped(host, monkeypatch):
    monkeypatch.setattr(inspection, "find_holders", lambda _real: {})
    journal = host.path.with_name("app.db-journal")
    journal.write_bytes(b"hot")
    assert (rule(host.wanted, YOUNG), journal.exists()) == (None, True)
    assert rule(host.wanted, YOUNG, alone=True).reason == "the schema is that of the backup"


@pytest.mark.parametrize(
    "differences, number",
    [
        ({}, 0),
        ({"t": {"live": 3, "backup": 2, "newer": 1, "changed": 2, "gone": 0}}, 3),
        ({"t": {"live": 3, "backup": 2}}, None),
        ({"SequelizeMeta": {"live": 1, "backup": 0, "newer": 1, "changed": 0, "gone": 0}}, 0),
    ],
)
def test_lost_rows_are_counted(differences, number):
    assert ruling.count_lost(differences) == number


def test_rows_that_cannot_be_compared_are_a_question(host, monkeypatch):
    host.sql(INCOMPATIBLE)
    monkeypatch.setattr(ruling.rows, "compare_rows", lambda _live, _backup: {"t": {"live": 3, "backup": 2}})
    assert "would undo: t: 3 rows, 2 in the backup." in rule(host.wanted, OLD).question


def test_many_reasons_are_told_in_part():
    assert ruling._shorten(list("abcde")) == "a; b; c; and 2 more"


@pytest.mark.parametrize(
    "taken, restores, text",
    [
        (timedelta(minutes=10), True, ""),
        (timedelta(minutes=11), False, "The switch was less than 11m ago."),
        (timedelta(minutes=-1), False, "The switch was at an unknown time."),
    ],
)
def test_a_switch_that_died_was_later_than_its_backup(host, taken, restores, text):
    host.sql(INCOMPATIBLE + "INSERT INTO t VALUES (3)")
    ruled = rule(host.want(now=NOW + taken), Bounds(600, 0, None))
    assert (ruled.restores, text in ruled.question) == (restores, True)


@pytest.mark.parametrize(
    "age, text",
    [(119, "119s ago"), (7199, "119m ago"), (72000, "20h ago"), (200000, "2d ago")],
)
def test_the_question_says_how_long_ago_the_switch_was(host, age, text):
    host.sql(INCOMPATIBLE + "INSERT INTO t VALUES (3)")
    assert f"The switch was {text}." in rule(host.wanted, Bounds(0, 0, age)).question


def test_a_schema_can_be_known_without_a_backup(host):
    known = (host.manifest["schema_sha256"], host.manifest["user_version"])
    assert ruling.has_schema(host.path, 5, *known) is True
    host.sql("CREATE TABLE u (x)")
    assert ruling.has_schema(host.path, 5, *known) is False
    host.path.write_bytes(b"garbage" * 999)
    assert ruling.has_schema(host.path, 5, *known) is False
