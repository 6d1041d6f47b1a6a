# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest


@pytest.fixture
def given(run_module, tmp_path):
    """The arguments of a drill of the only backup of a database with two rows."""
    database = tmp_path / "data" / "app.db"
    database.parent.mkdir()
    with sqlite3.connect(database) as opened:
        opened.executescript("CREATE TABLE t (x INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);")
    opened.close()
    backups = {"path": str(database), "dest": str(tmp_path / "backups")}
    run_module("sqlite_backup", backups)
    (tmp_path / "work").mkdir()
    return {**backups, "workspace": str(tmp_path / "work")}


def test_a_good_backup_is_reported_and_nothing_is_left(run_module, given, tmp_path):
    rehearsed = run_module("sqlite_backup_drill", given, check=True)
    assert (rehearsed["changed"], "would be restored" in rehearsed["report"]) == (False, True)
    done = run_module("sqlite_backup_drill", {**given, "state_path": str(tmp_path)})
    assert (done["changed"], done["row_counts"], done["checked"]) == (True, {"t": 2}, "full")
    assert (list((tmp_path / "work").iterdir()), (tmp_path / "drill.json").exists()) == ([], True)


def test_a_backup_that_is_not_good_fails_with_what_is_known_of_it(run_module, given, tmp_path):
    (backup,) = (tmp_path / "backups").glob("*.db")
    backup.write_bytes(backup.read_bytes()[:-1] + b"x")
    failed = run_module("sqlite_backup_drill", given)
    assert (failed["failed"], failed["backup"]) == (True, str(backup))
    assert failed["msg"] == f"What is in {backup} is not what its manifest says; choose another backup"
    assert list((tmp_path / "work").iterdir()) == []


def test_an_app_that_writes_to_the_database_is_not_disturbed(run_module, given):
    with sqlite3.connect(given["path"], isolation_level=None) as app:
        app.execute("BEGIN EXCLUSIVE")
        assert run_module("sqlite_backup_drill", given)["row_counts"] == {"t": 2}
        app.execute("COMMIT")
    app.close()
    assert sorted(path.name for path in Path(given["path"]).parent.iterdir()) == ["app.db"]
