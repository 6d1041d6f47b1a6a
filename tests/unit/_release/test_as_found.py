# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.filter.close_as_found import close_as_found

HEAD = {"sha": "a" * 40}
WELL = {
    "head": HEAD,
    "process": {"ready": True, "reason": ""},
    "health": {"healthy": True, "reason": ""},
    "backups": {"backups": [{"path": "/b/one.db", "sound": True}, {"path": "/b/two.db", "sound": False}]},
    "databases": {"database": {"sound": True, "reason": ""}},
}


def close(status="in_progress", check_mode=False, **looks):
    given = {**WELL, **looks}
    record = {"id": "1", "status": status} if status else None
    return close_as_found(
        record,
        given["head"],
        given["process"],
        given["health"],
        {"results": [given["backups"]]},
        {"results": [given["databases"]]},
        check_mode,
    )


@pytest.mark.parametrize("status", ["in_progress", "watching", "failed"])
def test_a_release_that_a_person_mended_is_closed_with_what_is_true(status):
    closed = close(status)
    assert closed["closes"] is True
    assert closed["found"] == {
        "revision": "a" * 40,
        "process_problem": "",
        "health_problem": "",
        "databases": 1,
        "database_problem": "",
        "backups": 1,
        "newest_backup": "/b/one.db",
        "unsound_backups": 1,
    }
    assert closed["message"] == (
        f"Release 1 is closed as it is: the code is {'a' * 40}; the process is online; the app serves; the database "
        "is sound; sound backups: 1, the newest is /b/one.db, and 1 that are not sound. Next, run "
        "greenlight.release.deploy"
    )


@pytest.mark.parametrize(
    "status, message",
    [
        (None, "No release is on record, so there is nothing to close"),
        ("healthy", "Release 1 is healthy already, so there is nothing to close"),
        ("closed_as_is", "Release 1 is closed_as_is already, so there is nothing to close"),
    ],
)
def test_what_is_over_is_not_closed(status, message):
    assert close(status) == {"closes": False, "found": {}, "message": message}


@pytest.mark.parametrize(
    "looks, message",
    [
        ({"check_mode": True}, "Release 1 would be closed as it is"),
        ({"head": {"msg": "no git"}}, "nobody can say which revision the code is"),
        ({"process": {"ready": False, "reason": "it is stopped"}}, "does not run as it should: it is stopped"),
        ({"process": {"msg": "no PM2 here"}}, "the process does not run as it should: no PM2 here"),
        ({"health": {}}, "the app does not serve: it could not be looked at"),
        ({"health": {}}, "Next, run greenlight.release.deploy with greenlight_allow_unhealthy_baseline=true"),
        ({"databases": {"msg": "gone"}}, "the database does not check out: gone"),
        ({"databases": {"database": {"sound": False, "reason": "torn"}}}, "does not check out: torn"),
        (
            {"databases": {}},
            "Next, stop the app, restore /b/one.db with greenlight.release.sqlite_backup, and then run ",
        ),
        ({"databases": {}, "backups": {}}, "sound backups: none. Next, put the database right, and then run "),
    ],
)
def test_what_is_wrong_is_told_and_stops_nothing(looks, message):
    closed = close(**looks)
    assert (closed["closes"], message in closed["message"]) == (True, True), closed["message"]


def test_of_several_databases_each_that_is_ill_is_named_with_its_own_backup():
    """The loop variable has another name in the role, and a result has a key of its own for what was found."""
    folder = [{"path": f"/b/{name}.db", "sound": True, "source": f"/srv/{name}.db"} for name in ("a", "b")]
    loop = {"ansible_loop_var": "item"}
    looks = [
        {**loop, "item": {"path": "/srv/a.db"}, "database": {"sound": False, "reason": "torn"}},
        {**loop, "item": {"path": "/srv/b.db"}, "database": {"sound": True, "reason": ""}},
    ]
    backups = {"results": [{"backups": folder}, {"backups": folder}]}
    record = {"id": "1", "status": "failed"}
    seen = (HEAD, WELL["process"], WELL["health"])
    closed = close_as_found(record, *seen, backups, {"results": looks}, False)
    assert closed["found"]["database_problem"] == "/srv/a.db: torn"
    assert (closed["found"]["databases"], closed["found"]["backups"], closed["found"]["newest_backup"]) == (
        2,
        2,
        "/b/a.db",
    )
    well = [*looks[1:], {**looks[1], "item": {"path": "/srv/a.db"}}]
    closed = close_as_found(record, *seen, backups, {"results": well}, False)
    assert "the databases are sound; sound backups: 2, the newest is /b/b.db. Next" in closed["message"]


def test_a_release_without_a_database_is_closed_without_a_word_of_backups():
    record = {"id": "1", "status": "failed"}
    closed = close_as_found(record, HEAD, WELL["process"], WELL["health"], {"results": []}, {}, False)
    assert closed["message"].endswith("there is no database. Next, run greenlight.release.deploy")
    assert (closed["found"]["databases"], closed["found"]["newest_backup"]) == (0, None)
