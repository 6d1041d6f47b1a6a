# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._survey import databases
from pm2_fakes import instance

ME = os.getpid()


def make(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(str(path))) as connection:
        connection.execute("CREATE TABLE t (x)")
    return path


def test_the_databases_that_are_open_are_found(tmp_path):
    database, text, pipe = tmp_path / "app.db", tmp_path / "notes", tmp_path / "pipe"
    make(database)
    text.write_text("no database")
    os.mkfifo(str(pipe))
    waits = os.open(str(pipe), os.O_RDWR)
    try:
        with database.open("rb"), text.open():
            found = databases.opened([instance(pid=ME)])
    finally:
        os.close(waits)
    assert str(database) in found and str(text) not in found and str(pipe) not in found


def find(monkeypatch, folder, opened=(), **environment):
    monkeypatch.setattr(proc, "open_paths", lambda _pids: [str(path) for path in opened])
    monkeypatch.setattr(proc, "environment_of", lambda _pid: environment)
    return databases.find([instance(pid=ME, cwd=str(folder)), instance(pid=0)], folder)


def test_a_database_that_is_open_goes_before_all_others(tmp_path, monkeypatch):
    first, second = make(tmp_path / "a.db"), make(tmp_path / "b.db")
    assert find(monkeypatch, tmp_path, [first], DATABASE=str(second)) == ([str(first)], "")


@pytest.mark.parametrize(
    "value", ["{path}", "data/app.db", "file:data/app.db?mode=rwc", "sqlite:{path}", "file:{path}"]
)
def test_a_database_that_a_variable_names_is_found_where_none_is_open(tmp_path, monkeypatch, value):
    path = make(tmp_path / "data" / "app.db")
    make(tmp_path / "other.db")
    found = find(monkeypatch, tmp_path, DATABASE=value.format(path=path), EMPTY="", LONG="x" * 5000, ODD="a\0b")
    assert found == ([str(path)], "a variable of the app says where it lies")


def test_else_it_lies_in_the_checkout(tmp_path, monkeypatch):
    path = make(tmp_path / "backend" / "data" / "app.sqlite")
    make(tmp_path / "node_modules" / "x" / "sample.db")
    make(tmp_path / "a" / "b" / "c" / "d" / "e" / "deep.db")
    (tmp_path / "empty.db").touch()
    (tmp_path / "link").symlink_to(tmp_path)
    assert find(monkeypatch, tmp_path) == ([str(path)], databases.IN_CHECKOUT)
    assert find(monkeypatch, tmp_path / "gone") == ([], "")
