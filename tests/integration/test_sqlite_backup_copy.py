# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

SECRET, URL = "hunter2-is-long", "https://me:hunter3@store.example.com/"


@pytest.fixture
def backup(run_module, tmp_path):
    """The path of a backup of a database with two rows."""
    database = tmp_path / "data" / "app.db"
    database.parent.mkdir()
    with sqlite3.connect(database) as opened:
        opened.executescript("CREATE TABLE t (x INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2);")
    opened.close()
    (tmp_path / "store").mkdir()
    return run_module("sqlite_backup", {"path": str(database), "dest": str(tmp_path / "backups")})["backup"]["path"]


def test_a_copy_can_be_restored_on_another_host(run_module, backup, tmp_path):
    command = ["cp", "{file}", f"{tmp_path}/store/{{name}}"]
    arguments = {"src": backup, "command": command}
    rehearsed = run_module("sqlite_backup_copy", arguments, check=True)
    assert (rehearsed["changed"], rehearsed["copied"], list((tmp_path / "store").iterdir())) == (True, False, [])
    done = run_module("sqlite_backup_copy", arguments)
    assert (done["copied"], done["files"]) == (True, [backup, f"{backup}.json"])

    (tmp_path / "data" / "app.db").unlink()
    fetched = tmp_path / "store" / Path(backup).name
    restored = run_module(
        "sqlite_backup", {"state": "restored", "src": str(fetched), "path": str(tmp_path / "data" / "app.db")}
    )
    assert restored["restored"] is True
    assert sqlite3.connect(tmp_path / "data" / "app.db").execute("SELECT count(*) FROM t").fetchone() == (2,)


def test_neither_the_words_nor_the_variables_of_a_command_come_to_light(run_module, backup):
    command = ["sh", "-c", 'echo "$KEY $2"; exit 7', "sh", "{file}", URL]
    done = run_module("sqlite_backup_copy", {"src": backup, "command": command, "environment": {"KEY": SECRET, "N": 7}})
    text = json.dumps(done) + Path(f"{backup}.copied").read_text()
    assert "was not copied off the host: sh ended with status 7: ******** " in done["problem"]
    assert done["problem"] in json.dumps(done["warnings"])
    assert not any(secret in text for secret in (SECRET, "hunter3", "exit 7"))
    assert done["invocation"]["module_args"]["environment"] == {"KEY": "hidden", "N": "hidden"}


def test_what_is_no_backup_and_a_command_that_copies_nothing_are_refused(run_module, backup, tmp_path):
    (tmp_path / "store" / "x").write_text("x")
    given = {"src": str(tmp_path / "store" / "x"), "command": ["cp", "{file}", "/tmp"]}
    assert "it has no manifest x.json" in run_module("sqlite_backup_copy", given)["msg"]
    assert "no word with {file}" in run_module("sqlite_backup_copy", {"src": backup, "command": ["cp", URL]})["msg"]
