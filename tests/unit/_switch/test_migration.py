# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Done
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import make_config
from ansible_collections.greenlight.release.plugins.module_utils._switch import migration
from pm2_fakes import listed
from sqlite_host import Host
from switch_fakes import make_inputs, open_release

ADD = "import os, sqlite3; sqlite3.connect(os.environ['DB'][5:]).execute('ALTER TABLE t ADD y')"
FAIL = "import sys; sys.exit('no such table: x')"
NONE = Done(1, "", "")


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A database with a backup, and a staged tree."""
    (tmp_path / "staged").mkdir()
    monkeypatch.setattr(migration.layout, "stage_path", lambda _git, _move: tmp_path / "staged")
    return Host(tmp_path)


@pytest.fixture
def make(host, tmp_path):
    """Return a function that makes the inputs of a switch that migrates with these codes of Python."""

    def make(*codes, grep=NONE, rehearse="auto", words=None):
        open_release(tmp_path, tmp_path)
        migrate = words or [[sys.executable, "-c", code] for code in codes]
        given = {"rehearse": rehearse, "migrate": migrate, "backups": [host.manifest["path"]]}
        inputs = make_inputs(tmp_path, environment={"PATH": os.environ["PATH"]}, **given)
        database = replace(inputs.databases[0], path=str(host.path))
        return replace(inputs, databases=(database,), git=lambda _words: grep)

    return make


def app(**variables):
    return replace(pm2.NOTHING, processes=[listed(env=variables)])


def columns(host):
    return host.read("SELECT count(*) FROM pragma_table_info('t')")


def test_a_copy_is_migrated_and_removed_and_then_the_database(host, make):
    inputs, before = make(ADD), app(DB=f"file:{host.path}")
    assert (migration.rehearse(inputs, before), columns(host)) == ("", 1)
    assert [path.name for path in Path(host.manifest["path"]).parent.glob(".rehearsal*")] == []
    migration.migrate(inputs, before)
    assert columns(host) == 2


@pytest.mark.parametrize("codes, columns_seen", [((), "1"), ((ADD,), "2")])
def test_the_new_revision_is_tried_on_the_migrated_copy(host, make, monkeypatch, codes, columns_seen):
    seen = []

    def look(_inputs, planned, environment, _told=""):
        count = "SELECT count(*) FROM pragma_table_info('t')"
        with contextlib.closing(sqlite3.connect(environment["DB"][5:])) as copy:
            seen.append((planned, str(copy.execute(count).fetchone()[0]), environment["DB"] != f"file:{host.path}"))

    monkeypatch.setattr(migration.trial, "plan", lambda *_given: "a plan")
    monkeypatch.setattr(migration.trial, "run", look)
    tried = migration.try_out(make(*codes), app(DB=f"file:{host.path}"))
    # Where there is a migration, the old revision is tried on its result as well.
    assert tried == migration.Tried("", "" if codes else None)
    assert (seen, columns(host)) == ([("a plan", columns_seen, True)] * (1 + len(codes)), 1)


@pytest.mark.parametrize("cannot, found", [(True, None), (False, "The old revision was tried, and it ended")])
def test_an_old_revision_that_does_not_run_on_the_migrated_copy_fails_no_release(
    host, make, monkeypatch, cannot, found
):
    inputs = make(ADD)
    root, run = migration.layout.root_of(inputs.move), []

    def plan(_inputs, _before, _environment, folder=None):
        if folder == root and cannot:
            raise migration.trial.CannotTryError("no port")
        return folder

    def end(_inputs, planned, _environment, told="The new revision"):
        run.append(told)
        if planned == root:
            raise CommandError(f"{told}, and it ended")

    monkeypatch.setattr(migration.trial, "plan", plan)
    monkeypatch.setattr(migration.trial, "run", end)
    assert migration.try_out(inputs, app(DB=f"file:{host.path}")) == migration.Tried("", found)
    assert run == ["The new revision", *([] if cannot else ["The old revision was tried"])]


def test_an_old_revision_that_cannot_be_led_to_the_copy_is_not_tried(host, make, monkeypatch):
    monkeypatch.setattr(migration.trial, "plan", lambda *_given: "a plan")
    monkeypatch.setattr(migration.trial, "run", lambda *_given: None)
    monkeypatch.setattr(migration, "_run_on", lambda *_given: None)
    copy = migration.MigrationCopy([host.path.with_name("copy.db")], {}, [["true"]], ["place"])
    monkeypatch.setattr(migration, "plan_copy", lambda _inputs, _before: copy)
    assert migration.try_out(make(ADD), app()) == migration.Tried("", None)


@pytest.mark.parametrize("changed, found", [({}, ""), ({"MODE": "new"}, None)])
def test_an_old_revision_is_not_tried_with_the_variables_of_the_new_one(host, make, monkeypatch, changed, found):
    monkeypatch.setattr(migration.trial, "plan", lambda *_given: "a plan")
    monkeypatch.setattr(migration.trial, "run", lambda *_given: None)
    env = {"DB": f"file:{host.path}", "MODE": "old"}
    wanted = make_config("shop", {"script": "server.js", "env": {**env, **changed}}, {}, host.path.parent, 1)
    assert migration.try_out(replace(make(ADD), wanted=wanted), app(**env)) == migration.Tried("", found)


def test_where_nothing_can_be_tried_the_reason_is_said(host, make, monkeypatch):
    unknown = migration.try_out(make(ADD, rehearse="never"), app(DB=f"file:{host.path}")).reason
    assert unknown == "its migration is not tried on a copy of the database"
    monkeypatch.setattr(migration.trial, "plan", lambda *_given: "a plan")
    named = Done(0, f"{'b' * 40}:server.js\n", "")
    assert "server.js of the new revision names" in migration.try_out(make(grep=named), app()).reason


def test_a_migration_that_was_made_does_not_fail_because_its_output_cannot_be_kept(host, make, tmp_path):
    (tmp_path / "output").write_text("no folder")
    (warning,) = migration.migrate(make(ADD), app(DB=f"file:{host.path}"))
    assert ("cannot be kept in" in warning, columns(host)) == (True, 2)


def test_what_fails_on_the_copy_is_reported_and_nothing_is_left(host, make):
    with pytest.raises(CommandError, match=r"^The migration failed on a copy of the database: .*no such table: x"):
        migration.rehearse(make(ADD, FAIL), app(DB=f"file:{host.path}"))
    assert columns(host) == 1
    assert list(Path(host.manifest["path"]).parent.glob(".rehearsal*")) == []


def test_a_command_that_reaches_the_database_itself_is_found_out(host, make):
    with pytest.raises(CommandError, match="changed while the migration was tried on a copy; make the commands take"):
        migration.rehearse(
            make(ADD.replace("['DB'][5:]", "['OTHER'][7:]")), app(OTHER=f"direct:{host.path}", DB=str(host.path))
        )


def test_a_database_in_the_checkout_is_copied_to_the_same_place_of_the_new_tree(host, make, tmp_path):
    code = "import sqlite3; sqlite3.connect('data/app.db').execute('ALTER TABLE t ADD y')"
    assert (migration.rehearse(make(code), app()), columns(host)) == ("", 1)
    assert list((tmp_path / "staged" / "data").iterdir()) == []


def test_a_word_that_is_the_path_leads_to_the_copy(host, make):
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('ALTER TABLE t ADD y')"
    inputs = make(words=[[sys.executable, "-c", code, str(host.path)]])
    assert (migration.rehearse(inputs, app()), columns(host)) == ("", 1)


def refuse(host, tmp_path, kind):
    """Make one thing so that the commands cannot be led to a copy."""
    if kind == "no tree":
        (tmp_path / "staged").rmdir()
    elif kind == "settings":
        (tmp_path / "staged" / ".env").write_text(f"DB={host.path}\n")
    elif kind == "link":
        (tmp_path / "staged" / "data").symlink_to(tmp_path / "data")
    elif kind == "there":
        (tmp_path / "staged" / "data").mkdir()
        (tmp_path / "staged" / "data" / "app.db").touch()


@pytest.mark.parametrize(
    "kind, reason",
    [
        ("no tree", "there is no new tree in "),
        ("settings", "/.env leads to "),
        ("link", "leads elsewhere or is there already"),
        ("there", "leads elsewhere or is there already"),
        ("word", "in the middle of a word"),
        ("code", "src/db.js of the new revision names "),
        ("room", "there is no room for a copy in "),
        ("elsewhere", "no variable of the app holds "),
    ],
)
def test_where_the_commands_cannot_be_led_to_a_copy_they_are_not_tried(host, make, tmp_path, monkeypatch, kind, reason):
    refuse(host, tmp_path, kind)
    code = f"open({str(host.path)!r}, 'w')" if kind == "word" else FAIL
    grep = Done(0, "b" * 40 + ":src/db.js\n", "") if kind == "code" else NONE
    if kind == "room":
        monkeypatch.setattr(migration, "_SPARE", 1 << 60)
    if kind == "elsewhere":
        monkeypatch.setattr(migration.layout, "root_of", lambda _move: tmp_path / "elsewhere")
    assert reason in migration.rehearse(make(code, grep=grep), app())
    with pytest.raises(CommandError, match="^The migration cannot be tried on a copy of the database: "):
        migration.rehearse(make(code, grep=grep, rehearse="always"), app())


@pytest.mark.parametrize(
    "text, led",
    [
        ("/srv/shop.db", "/b/copy.db"),
        ("file:/srv/shop.db?mode=rwc", "file:/b/copy.db?mode=rwc"),
        ("sqlite:///srv/shop.db", "sqlite:///b/copy.db"),
        ("sqlite3:/srv/shop.db#x", "sqlite3:/b/copy.db#x"),
        ("/srv/../srv/shop.db", "/b/copy.db"),
        ("/srv/shop.db.old", "/srv/shop.db.old"),
        ("--db=/srv/shop.db", "--db=/srv/shop.db"),
        ("shop.db", "shop.db"),
        ("", ""),
    ],
)
def test_only_the_path_itself_alone_or_in_a_url_leads_to_the_copy(text, led):
    assert migration.lead_to({"A": text}, Path("/srv/shop.db"), Path("/b/copy.db")) == {"A": led}


@pytest.fixture
def two(host, make, tmp_path):
    """Return a function that makes the inputs of a migration of two databases of the same name."""
    (tmp_path / "second").mkdir()
    other = Host(tmp_path / "second")

    def two(*codes, **more):
        inputs = make(*codes, **more)
        (first,) = inputs.databases
        second = replace(first, path=str(other.path), backup=other.manifest["path"])
        return replace(inputs, databases=(first, second))

    two.host = other
    return two


BOTH = "import os, sqlite3; [sqlite3.connect(os.environ[n]).execute('ALTER TABLE t ADD y') for n in ('DB', 'OTHER')]"


def test_each_of_several_databases_is_copied_and_its_variable_leads_to_its_copy(host, two):
    variables = {"DB": str(host.path), "OTHER": str(two.host.path)}
    assert migration.rehearse(two(BOTH), app(**variables)) == ""
    assert (columns(host), columns(two.host)) == (1, 1)
    assert list(host.folder.rglob(".rehearsal*")) == []


def test_a_migration_that_reaches_one_of_several_databases_itself_is_found_out(host, two):
    with pytest.raises(CommandError, match=f"The schema of {two.host.path} changed while the migration was tried"):
        migration.rehearse(
            two(BOTH.replace("os.environ[n]", "os.environ[n].rpartition(':')[2]")),
            app(DB=str(host.path), OTHER=f"direct:{two.host.path}", LED=str(two.host.path)),
        )


def test_one_that_cannot_be_led_to_its_copy_is_named(host, two, monkeypatch, tmp_path):
    monkeypatch.setattr(migration.layout, "root_of", lambda _move: tmp_path / "elsewhere")
    said = migration.rehearse(two(BOTH), app(DB=str(host.path)))
    assert said.startswith(f"no variable of the app holds {two.host.path}, and it does not lie in ")


def test_the_copies_of_several_databases_need_room_together(host, two, monkeypatch):
    free = migration._SPARE + 4 * host.path.stat().st_size
    monkeypatch.setattr(migration.os, "statvfs", lambda _folder: SimpleNamespace(f_bavail=free, f_frsize=1))
    variables = {"DB": str(host.path), "OTHER": str(two.host.path)}
    assert migration.rehearse(two(BOTH), app(**variables)).startswith("there is no room for a copy in ")


def test_an_old_revision_that_would_open_one_of_several_databases_itself_is_not_tried(host, two, monkeypatch):
    tried = []
    monkeypatch.setattr(migration.trial, "plan", lambda *_given: "a plan")
    monkeypatch.setattr(migration.trial, "run", lambda *given: tried.append(given))
    code = "import os, sqlite3; sqlite3.connect(os.environ['DB']).execute('ALTER TABLE t ADD y')"
    assert migration.try_out(two(code), app(DB=str(host.path))) == migration.Tried("", None)
    assert len(tried) == 1


def test_a_new_revision_that_would_open_the_database_itself_is_not_tried(host, make, monkeypatch):
    """Only a word of the migration leads to the copy, and the app has another way to its database."""
    monkeypatch.setattr(migration.trial, "plan", lambda *_given: "a plan")
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('ALTER TABLE t ADD y')"
    inputs = make(words=[[sys.executable, "-c", code, str(host.path)]])
    assert migration.try_out(inputs, app()).reason == f"no variable of the app holds {host.path}"


def test_without_a_database_the_new_revision_is_tried_and_a_migration_is_not(make, monkeypatch):
    tried = []
    monkeypatch.setattr(migration.trial, "plan", lambda *_given: "a plan")
    monkeypatch.setattr(migration.trial, "run", lambda *given: tried.append(given))
    assert migration.try_out(replace(make(), databases=()), app()) == migration.Tried("", None)
    inputs = replace(make(ADD, rehearse="always"), databases=())
    assert migration.try_out(inputs, app()).reason == "its migration is not tried on a copy of the database"
    with pytest.raises(CommandError, match="neither greenlight_database_path nor greenlight_databases names one"):
        migration.rehearse(inputs, app())
    assert len(tried) == 1


def test_the_commands_get_the_variables_of_the_ecosystem_file_of_the_new_revision(make, tmp_path):
    inputs, before = make(""), app(KEPT="1", LOST="2", CHANGED="3")
    entry = {"script": "s.js", "env": {"ADDED": 1, "CHANGED": 4, "PATH": "/x"}}
    wanted = make_config("shop", entry, {}, tmp_path, 1)
    led = migration.environment_of(replace(inputs, wanted=wanted, gone={"shop": frozenset(["LOST"])}), before)
    assert (led["KEPT"], led["ADDED"], led["CHANGED"], "LOST" in led) == ("1", "1", "4", False)
    assert led["PATH"] == migration.environment_of(inputs, before)["PATH"]
