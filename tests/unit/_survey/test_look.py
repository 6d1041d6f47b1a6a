# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._survey import look
from ansible_collections.greenlight.release.plugins.module_utils._survey.look import SurveyError
from pm2_fakes import instance

ME = os.getpid()


def named(name, pid=0, **more):
    made = instance(pid=pid, status="online" if pid else "stopped", **more)
    return type(made)(**{**made.__dict__, "name": name})


WEB, WORKER, IDLE = named("web", 5), named("worker", 6), named("idle")


def choose(instances, wanted, **ports):
    return look.choose(instances, wanted, lambda name: ports.get(name, []))


def test_the_only_process_that_serves_is_the_app():
    assert choose([WEB, WORKER], "", web=[3000, 9090]) == ([WEB], [3000, 9090])
    assert choose([WEB, WORKER], "worker", web=[3000]) == ([WORKER], [])
    assert choose([WORKER, IDLE], "") == ([WORKER], [])


@pytest.mark.parametrize(
    "wanted, serving, said",
    [
        (
            "",
            {"web": [1], "worker": [2]},
            "2 processes of PM2 serve a port; set greenlight_process_name to one of idle, web, worker$",
        ),
        ("", {}, "0 processes of PM2 serve a port; set"),
        ("gone", {"web": [1]}, "PM2 knows no process gone; set greenlight_process_name to one of idle, web, worker$"),
        ("idle", {"web": [1]}, "idle does not run, so nothing can be seen of it"),
    ],
)
def test_where_it_is_not_clear_which_app_is_meant_the_names_are_listed(wanted, serving, said):
    with pytest.raises(SurveyError, match=said):
        choose([WEB, WORKER, IDLE], wanted, **serving)
    with pytest.raises(SurveyError, match="one of those that it should run$"):
        choose([], wanted)


def test_the_databases_that_are_open_are_found(tmp_path):
    database, text, pipe = tmp_path / "app.db", tmp_path / "notes", tmp_path / "pipe"
    with sqlite3.connect(str(database)) as connection:
        connection.execute("CREATE TABLE t (x)")
    text.write_text("no database")
    os.mkfifo(str(pipe))
    waits = os.open(str(pipe), os.O_RDWR)
    try:
        with database.open("rb"), text.open():
            found = look.databases_of([instance(pid=ME)])
    finally:
        os.close(waits)
    assert str(database) in found and str(text) not in found and str(pipe) not in found


def test_a_place_that_cannot_be_written_to_is_not_used(tmp_path, monkeypatch):
    assert look.state_path_of(tmp_path / "greenlight" / "shop", tmp_path) == ""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert look.state_path_of(tmp_path / "greenlight" / "shop", Path("/home/me")) == "/home/me/.greenlight/shop"
