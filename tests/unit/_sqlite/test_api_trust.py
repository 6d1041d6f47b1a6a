# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the app's user could plant where root backs up and restores: links, second names, pipes, other folders."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api, backup, database, restore_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import NOW, Host

SHOP, OTHER = 12345, 23456


@pytest.fixture
def host(tmp_path, owners):
    """Return a host whose database belongs to the shop, next to the private one of another user."""
    host = Host(tmp_path, mode="DELETE")
    (tmp_path / "other").mkdir()
    shutil.copy(host.path, tmp_path / "other" / "secret.db")
    for path, uid in ((host.path, SHOP), (tmp_path / "other" / "secret.db", OTHER)):
        owners.give(path, uid)
        owners.give(path.parent, uid)
    return host


def plant(host, owners, uid=SHOP):
    planted = host.folder / "data" / "planted.db"
    planted.symlink_to("../other/secret.db")
    owners.give(planted, uid)
    return planted


@pytest.mark.parametrize(
    "uid, message",
    [
        (
            SHOP,
            "planted.db is a link of uid 12345 to .*secret.db, which belongs to uid 23456",
        ),
        (0, "secret.db belongs to uid 23456, but the folder .*/data to uid 12345, who could have led root to it"),
    ],
)
@pytest.mark.parametrize("work", ["back up", "inspect", "restore"])
def test_root_is_not_led_to_the_database_of_another_user(host, owners, work, uid, message):
    planted = plant(host, owners, uid)
    before = (host.folder / "other" / "secret.db").read_bytes()
    works = {
        "back up": lambda: api.back_up(api.BackUp(str(planted), f"{host.folder}/backups"), NOW, "b"),
        "inspect": lambda: api.inspect(planted, 5),
        "restore": lambda: api.plan_restore(host.manifest["path"], str(planted), 5, NOW, "b", force=True),
    }
    with pytest.raises(SqliteError, match=message):
        works[work]()
    assert (host.folder / "other" / "secret.db").read_bytes() == before


def test_the_database_of_the_shop_itself_is_backed_up_and_restored_by_root(host):
    host.sql("INSERT INTO t VALUES (3)")
    assert api.back_up(api.BackUp(str(host.path), f"{host.folder}/backups"), NOW, "b")["changed"] is True
    wanted = api.plan_restore(host.manifest["path"], str(host.path), 5, NOW, "c")
    assert api.restore(wanted)["restored"] is True
    assert host.read("SELECT count(*) FROM t") == 2


def test_force_replaces_another_database_but_nothing_else(host):
    host.path.write_text("root:x:0:0:root:/root:/bin/bash\n")
    another = {**host.manifest, "source": "/srv/other.db"}
    with pytest.raises(SqliteError, match="is not a SQLite database, so no backup of another one takes its place, not"):
        restore_plan.check_backup(host.want(manifest=another, force=True))
    # Its own backup may replace it: the first page of a database can be damaged as well.
    restore_plan.check_backup(host.want(manifest=host.manifest))
    for content in (b"", b"SQLite format 3\x00" + bytes(84)):
        host.path.write_bytes(content)
        restore_plan.check_backup(host.want(manifest=another, force=True))


@pytest.mark.parametrize("suffix", ["", *database.SIDECARS])
def test_a_pipe_in_place_of_a_file_of_sqlite_is_not_waited_for(host, suffix):
    if not suffix:
        host.path.unlink()
    os.mkfifo(f"{host.path}{suffix}")
    with pytest.raises(SqliteError, match=f"app.db{suffix} is not a regular file; remove it, or name the file itself"):
        with database.connection(host.path, 5):
            pass


def test_sqlite_opens_what_was_checked_or_nothing_is_done(host, monkeypatch):
    connect = sqlite3.connect

    def exchange(*arguments, **settings):
        host.path.unlink()
        host.path.symlink_to("../other/secret.db")
        return connect(*arguments, **settings)

    monkeypatch.setattr(database.sqlite3, "connect", exchange)
    with pytest.raises(SqliteError, match="was exchanged while it was opened; find out who does that, and try again"):
        with database.connection(host.path, 5):
            pass


def test_a_database_whose_folder_is_gone_is_an_error(tmp_path):
    with pytest.raises(SqliteError, match="Cannot open .*none/app.db: No such file or directory"):
        with database.connection(tmp_path / "none" / "app.db", 5):
            pass


@pytest.mark.parametrize("name", ["link", "copy", "pipe"])
def test_what_was_planted_as_the_lock_is_not_given_away(host, owners, name):
    folder, victim = host.folder / "data", host.folder / "other" / "secret.db"
    make = {"link": os.symlink, "copy": os.link, "pipe": lambda _victim, path: os.mkfifo(path)}[name]
    make(victim, folder / backup.LOCK)
    with pytest.raises((SqliteError, OSError), match="hard links|not a regular file|symbolic links"):
        with api.explained(contextlib.ExitStack) as stack:
            api.explained(lambda: stack.enter_context(backup.alone_in(folder)))
    assert (victim.stat().st_size, victim.stat().st_nlink) == (8192, 1 + (name == "copy"))


def test_a_lock_that_holds_something_is_not_given_to_the_owner_of_the_folder(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(backup.os, "geteuid", lambda: 0)
    monkeypatch.setattr(backup.os, "fchown", lambda *arguments: calls.append(arguments))
    (tmp_path / backup.LOCK).write_text("a file that was renamed")
    os.close(backup._open_lock(tmp_path))
    assert calls == []


def exchange_for_another(host, path):
    """Put another file in the place of one that was verified, of the same size."""
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("kind", ["none", "gzip", "update", "its base"])
@pytest.mark.parametrize("online", [False, True])
def test_what_is_restored_is_what_was_verified(tmp_path, kind, online):
    host = Host(tmp_path, compression="gzip" if kind == "gzip" else "none")
    base = host.manifest["path"]
    if kind in ("update", "its base"):
        host.want_update()
    host.sql("CREATE TABLE later (x)")
    before = host.path.read_bytes()
    wanted = api.plan_restore(host.wanted.manifest["path"], str(host.path), 5, NOW, "c")
    exchanged = {"its base": base}.get(kind, wanted.manifest["path"])
    if kind == "gzip":
        with gzip.open(exchanged) as packed:
            content = packed.read()
        Path(exchanged).write_bytes(gzip.compress(content[:-1] + b"x"))
    else:
        exchange_for_another(host, Path(exchanged))
    with pytest.raises(SqliteError, match="What is in .* is not what its manifest says; choose another backup"):
        api.restore(wanted, online=online)
    assert host.path.read_bytes() == before
    assert [name for name in os.listdir(host.path.parent) if not name.startswith("app.db")] == []


def test_a_base_with_another_manifest_is_not_the_one_that_was_verified(tmp_path):
    host = Host(tmp_path)
    host.want_update()
    host.sql("CREATE TABLE later (x)")
    wanted = api.plan_restore(host.wanted.manifest["path"], str(host.path), 5, NOW, "c")
    base = Path(host.manifest["path"])
    exchange_for_another(host, base)
    described = json.loads(base.with_name(base.name + ".json").read_text())
    described["sha256"] = described["content_sha256"] = files.sha256_of(base)
    base.with_name(base.name + ".json").write_text(json.dumps(described))
    with pytest.raises(SqliteError, match="is not what its manifest says; choose another backup"):
        api.restore(wanted)


@pytest.mark.parametrize("name", ["backup", "manifest"])
def test_root_reads_no_backup_through_a_link_of_the_shop(host, owners, name):
    planted = host.path.parent / "backup.db"
    shutil.copy(host.manifest["path"], planted)
    shutil.copy(host.manifest["manifest"], f"{planted}.json")
    path = {"backup": planted, "manifest": planted.with_name("backup.db.json")}[name]
    (host.folder / "other" / path.name).write_bytes(path.read_bytes())
    owners.give(host.folder / "other" / path.name, OTHER)
    path.unlink()
    path.symlink_to(f"../other/{path.name}")
    owners.give(path, SHOP)
    found = api.describe_backups(host.path.parent, 5)
    assert [each["sound"] for each in found] == [False]
    assert "is a link of uid 12345" in found[0]["reason"]
    with pytest.raises(SqliteError, match="is a link of uid 12345"):
        api.plan_restore(str(planted), str(host.path), 5, NOW, "c", force=True)


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
def test_what_is_set_aside_is_never_another_users_file(host, owners, suffix):
    planted = host.path.with_name(host.path.name + suffix)
    planted.symlink_to("../other/secret.db")
    owners.give(planted, SHOP)
    wanted = api.plan_restore(host.manifest["path"], str(host.path), 5, NOW, "c")
    with pytest.raises(SqliteError, match=f"app.db{suffix} is a link of uid 12345 to .*secret.db"):
        api.explained(lambda: api.restore(wanted))
    assert not list(host.folder.rglob("*.replaced*"))


def test_what_root_was_led_to_is_an_error_of_the_database():
    def work():
        raise trust.TrustError("/srv/shop/x is not a regular file")

    with pytest.raises(SqliteError, match="/srv/shop/x is not a regular file"):
        api.explained(work)
