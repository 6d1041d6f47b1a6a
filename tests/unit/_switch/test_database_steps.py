# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Ruling
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._switch import actions, database_steps
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress
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
