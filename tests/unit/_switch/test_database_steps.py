# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup, backup_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Ruling
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._switch import actions, database_steps
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress
from sqlite_host import NOW, Host
from switch_fakes import ID, make_inputs, open_release

BEGUN = Progress(pm2.NOTHING)


@pytest.fixture
def make(tmp_path):
    """Return a function that makes the inputs of a switch, whose release is on record at a stage."""

    def make(stage="backed_up", facts=None, **given):
        open_release(tmp_path, tmp_path, stage, **facts or {})
        return make_inputs(tmp_path, **given)

    return make


def noted(inputs):
    return store.find_record(store.read_records(inputs.state_path), ID)


def databases(inputs):
    return noted(inputs)["facts"]["databases"]


def fail(*_given):
    raise GitError("the disk is on fire.")


def test_the_backup_that_was_brought_up_to_date_is_the_one_that_is_noted(make, monkeypatch):
    inputs = make()
    facts = {"backup": "/b/newer.pages", "schema": ["5" * 64, 1]}
    monkeypatch.setattr(database_steps.database, "back_up", lambda _database: facts)
    progress = database_steps.back_up(inputs, BEGUN)
    assert progress.results == {"backups": ["/b/newer.pages"]}
    actions.note_switching(inputs, progress.learned({"cursor": {}}))
    actions.note_switched(inputs, progress)
    assert (noted(inputs)["stage"], databases(inputs)[0]) == ("switched", {"path": inputs.databases[0].path, **facts})


SEVERAL = ["/srv/a/shop.db", "/srv/b/shop.db", "/srv/c.db"]


def several(make, stage="rolling_back", direction="back", **known):
    facts = {"databases": [{"path": path, **known} for path in SEVERAL]}
    return make(stage, facts=facts, direction=direction, backups=[])


def ruled(*restores):
    return replace(BEGUN, rulings=tuple(Ruling(each, "so it was ruled") for each in restores))


def test_a_restore_is_noted_at_once_and_not_made_again(make, monkeypatch):
    made = []

    def restore(database, ruling):
        if database.path == SEVERAL[2]:
            raise SqliteError("No space to restore it")
        made.append((database.path, database.restore, database.token))
        return {"restored": ruling.restores}

    monkeypatch.setattr(database_steps.database, "restore", restore)
    inputs = several(make, backup="/b/shop.db", schema=["5" * 64, 1])
    with pytest.raises(SqliteError, match="No space"):
        database_steps.restore(inputs, ruled(False, True, True))
    assert [each.get("restored") for each in databases(inputs)] == [None, {"path": SEVERAL[1], "restored": True}, None]
    assert noted(inputs)["stage"] == "rolling_back"
    assert (made[0][:2], made[1][:2]) == ((SEVERAL[0], "auto"), (SEVERAL[1], "auto"))
    # Two of the same name in one folder are set aside by different names.
    assert made[0][2] != made[1][2]
    monkeypatch.setattr(database_steps.database, "restore", lambda _database, ruling: {"restored": ruling.restores})
    again = make_inputs(inputs.state_path, direction="back", database="restore", backups=[])
    assert [each.restore for each in again.databases] == ["restore", "auto", "restore"]
    done = database_steps.restore(again, ruled(True, False, True))
    assert [each["restored"] for each in done.results["restored"]] == [True, False, True]
    assert [each["restored"]["restored"] for each in databases(inputs)] == [True, True, True]
    assert [(each["backup"], each["schema"]) for each in databases(inputs)] == [("/b/shop.db", ["5" * 64, 1])] * 3


def test_the_rows_that_restores_have_undone_are_counted_and_noted_at_the_end(make, monkeypatch):
    inputs = several(make)
    told = [{"path": path, "restored": path != SEVERAL[0], "set_aside": "/aside"} for path in SEVERAL]
    facts = [{**each.fact, "restored": one} for each, one in zip(inputs.databases, told)]
    restored = BEGUN.found({"restored": told}).learned({"databases": facts})

    def count(database, known):
        return {**known, "lost": "t: 1 row newer than the backup"} if database.path == SEVERAL[1] else {}

    monkeypatch.setattr(database_steps.database, "count_lost", count)
    counted = [told[0], {**told[1], "lost": "t: 1 row newer than the backup"}, told[2]]
    assert database_steps.count_lost(inputs, restored).results == {"restored": counted}
    assert [each["restored"] for each in databases(inputs)] == counted
    monkeypatch.setattr(database_steps.database, "count_lost", lambda _database, _restored: {})
    assert database_steps.count_lost(inputs, restored) == restored
    monkeypatch.setattr(database_steps.database, "count_lost", fail)
    assert database_steps.count_lost(inputs, restored).warnings == (
        "The rows that the restore has undone were not counted: the disk is on fire.",
    )


def test_the_backups_of_several_databases_are_noted_together(make, monkeypatch):
    inputs = make(facts={"databases": [{"path": path} for path in SEVERAL]}, backups=["/b/1", "/b/2", "/b/3"])
    monkeypatch.setattr(
        database_steps.database, "back_up", lambda each: {"backup": f"{each.backup}.pages", "schema": ["5", 0]}
    )
    progress = actions.note_switched(inputs, database_steps.back_up(inputs, BEGUN))
    assert progress.results["backups"] == ["/b/1.pages", "/b/2.pages", "/b/3.pages"]
    assert [(each["path"], each["backup"]) for each in databases(inputs)] == [
        *zip(SEVERAL, ["/b/1.pages", "/b/2.pages", "/b/3.pages"])
    ]


@pytest.fixture
def three(tmp_path, make):
    """Three real databases of the same name, with their backups in one folder, and the inputs of a rollback."""
    hosts, known = [], []
    for number in range(3):
        place = tmp_path / str(number)
        place.mkdir()
        hosts.append(Host(place))
        plan = backup_plan.plan_backup(hosts[-1].path, str(tmp_path / "backups"), NOW, f"{number}")
        known.append({"path": str(hosts[-1].path), "backup": backup.make_backup(plan)["path"]})
    return hosts, make("rolling_back", facts={"databases": known}, direction="back", backups=[])


def roll_back(inputs):
    rulings = database_steps.database.check_restores(inputs.databases, set(), False)
    progress = database_steps.restore(inputs, replace(BEGUN, rulings=tuple(rulings)))
    return database_steps.count_lost(inputs, progress)


def test_one_that_is_missing_and_one_that_is_damaged_are_restored_and_a_third_keeps_its_rows(three):
    (missing, damaged, well), inputs = three
    missing.path.unlink()
    damaged.damage()
    well.sql("INSERT INTO t VALUES (3)")
    told = roll_back(inputs).results["restored"]
    assert [each["restored"] for each in told] == [True, True, False]
    assert [host.read("SELECT count(*) FROM t") for host in (missing, damaged, well)] == [2, 2, 3]
    assert "it does not exist" in told[0]["reason"] and "is not sound" in told[1]["reason"]
    noted_of = [each.get("restored", {}).get("restored") for each in databases(inputs)]
    assert noted_of == [True, True, None]


def test_what_two_restores_of_the_same_name_replace_is_set_aside_each_whole(three):
    (first, second, _third), inputs = three
    for number, host in enumerate((first, second)):
        host.sql(f"ALTER TABLE t RENAME COLUMN x TO y; INSERT INTO t VALUES ({number + 10})")
    told = roll_back(inputs).results["restored"]
    asides = [each["set_aside"] for each in told[:2]]
    assert len(set(asides)) == 2
    kept = [first.read("SELECT max(y) FROM t", Path(aside) / "app.db") for aside in asides]
    assert (kept, [each["lost"] for each in told[:2]]) == ([10, 11], ["t: 1 row newer than the backup"] * 2)


def test_a_disk_that_is_full_at_the_second_leaves_the_first_restored_and_the_next_run_goes_on(three, monkeypatch):
    (first, second, _third), inputs = three
    for host in (first, second):
        host.sql("ALTER TABLE t RENAME COLUMN x TO y; INSERT INTO t VALUES (3)")
    real = database_steps.database.restore

    def fill(database, ruling):
        if database.path == str(second.path):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(database, ruling)

    monkeypatch.setattr(database_steps.database, "restore", fill)
    with pytest.raises(OSError, match="No space left"):
        roll_back(inputs)
    assert (first.read("SELECT count(x) FROM t"), second.read("SELECT count(y) FROM t")) == (2, 3)
    # Users have written to the first one since, as the old revision was started by hand.
    first.sql("INSERT INTO t VALUES (4)")
    monkeypatch.setattr(database_steps.database, "restore", real)
    again = make_inputs(inputs.state_path, direction="back", backups=[], database="restore")
    again = replace(again, databases=tuple(replace(each, token=f"{each.token}b") for each in again.databases[:2]))
    told = roll_back(again).results["restored"]
    assert [each["restored"] for each in told] == [False, True]
    assert (first.read("SELECT count(x) FROM t"), second.read("SELECT count(x) FROM t")) == (3, 2)
    assert [each["restored"]["restored"] for each in databases(inputs)[:2]] == [True, True]


def test_room_for_one_restore_after_the_other_is_none_for_both(three, monkeypatch):
    hosts, inputs = three
    for host in hosts[:2]:
        host.sql("ALTER TABLE t RENAME COLUMN x TO y")
    size = hosts[0].path.stat().st_size
    usage = shutil.disk_usage
    # Room for what one replaces, beside what was written for both, and not for what the other replaces.
    free = 2 * size + (3 << 20) - 1 - (1 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=free))
    with pytest.raises(SqliteError, match=f"No space to restore {hosts[0].path} and {hosts[1].path}: "):
        database_steps.database.check_restores(inputs.databases, set(), False)
