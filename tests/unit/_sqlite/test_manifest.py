# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup, backup_plan
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import manifest as sqlite_manifest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import update as sqlite_update
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import NOW, plan


def make_database(path):
    sqlite3.connect(path, isolation_level=None).execute("CREATE TABLE t (x)").connection.close()


WHOLE = {
    "format": 1,
    "source": "/app.db",
    "signature": {},
    "created": "2026-02-19T02:00:00.000000Z",
    "size": 5,
    "sha256": "0" * 64,
    "schema_sha256": "1" * 64,
    "user_version": 0,
    "application_id": 0,
    "page_size": 4096,
    "journal_mode": "wal",
    "row_counts": {},
}


@pytest.mark.parametrize(
    "make, message",
    [
        (None, "The backup .*x.db does not exist; it has no manifest x.db.json, so it is no backup of ours"),
        (make_database, "x.db is a SQLite database; it has no manifest"),
        (lambda path: path.write_text("<html>"), "x.db is not a SQLite database; it has no manifest"),
        (lambda path: path.write_bytes(b""), "x.db is an empty file; it has no manifest"),
    ],
)
def test_a_backup_without_a_manifest_is_not_ours_and_the_reason_is_given(tmp_path, make, message):
    if make:
        make(tmp_path / "x.db")
    with pytest.raises(SqliteError, match=message):
        sqlite_manifest.read_manifest(tmp_path / "x.db")


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "cannot be read, so nothing is known of"),
        ("[]", "cannot be read"),
        ("{}", "cannot be read"),
        ('{"format": 9}', "has format 9, this version reads 1; update the collection"),
        (json.dumps({**WHOLE, "size": "5"}), "says nothing useful of size"),
        (json.dumps({**WHOLE, "source": None}), "says nothing useful of source"),
        (json.dumps({**WHOLE, "page_size": 0}), "says nothing useful of page_size or created"),
        (json.dumps({**WHOLE, "created": "yesterday"}), "says nothing useful of page_size or created"),
        (json.dumps({**WHOLE, "base": 5}), "says nothing useful of base"),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_refused(tmp_path, text, message):
    (tmp_path / "x.db.json").write_text(text)
    with pytest.raises(SqliteError, match=message):
        sqlite_manifest.read_manifest(tmp_path / "x.db")
    assert sqlite_manifest.list_backups(tmp_path) == []


def test_what_a_manifest_leaves_out_has_a_meaning(tmp_path):
    (tmp_path / "x.db.json").write_text(json.dumps(WHOLE))
    manifest = sqlite_manifest.read_manifest(tmp_path / "x.db")
    assert (manifest["compression"], manifest["base"], manifest["content_size"]) == ("none", None, 5)
    assert (manifest["content_sha256"], manifest["path"]) == ("0" * 64, str(tmp_path / "x.db"))


@pytest.mark.parametrize(
    "spoil, problem",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "bytes, its manifest says"),
        (lambda path: path.write_bytes(b"x" * path.stat().st_size), "its SHA-256 is not the one in its manifest"),
        (lambda path: path.unlink(), "it cannot be read: No such file"),
    ],
)
@pytest.mark.usefixtures("live")
def test_a_backup_that_is_not_what_its_manifest_says_is_recognised(tmp_path, spoil, problem):
    manifest = backup.make_backup(plan(tmp_path))
    spoil(tmp_path / "backups" / "app.db.20260219T020000Z.abc.db")
    assert problem in sqlite_manifest.verify_backup(manifest)


def spoil_content(base):
    base.write_bytes(b"x" * base.stat().st_size)


def spoil_manifest(base):
    path = base.with_name(f"{base.name}.json")
    path.write_text(path.read_text().replace(json.loads(path.read_text())["sha256"], "0" * 64))


def lose_manifest(base):
    base.with_name(f"{base.name}.json").unlink()


@pytest.mark.parametrize(
    "spoil, problem",
    [
        (None, ""),
        (spoil_content, "the backup that it updates, .*, is not sound: its SHA-256 is not"),
        (spoil_manifest, "the backup that it updates, .*, is another one now"),
        (lose_manifest, "the backup that it updates is missing: .* has no manifest"),
    ],
)
def test_an_update_is_as_sound_as_what_it_rests_on(tmp_path, live, spoil, problem):
    base = backup.make_backup(plan(tmp_path))
    live.execute("INSERT INTO t VALUES (3)")
    live.close()
    update = sqlite_update.update_backup(backup_plan.plan_update(plan(tmp_path, token="b"), "/"), base)
    if spoil:
        spoil(sqlite_manifest.base_of(update))
    assert re.fullmatch(problem + (".*" if problem else ""), sqlite_manifest.verify_backup(update))


@pytest.mark.usefixtures("live")
def test_a_backup_without_a_hash_is_read_as_a_whole(tmp_path):
    manifest = backup.make_backup(plan(tmp_path, verify="none"))
    assert (manifest["sha256"], manifest["row_counts"], sqlite_manifest.verify_backup(manifest)) == (None, None, "")
    content = bytearray(Path(manifest["path"]).read_bytes())
    content[4096:] = b"\xff" * 4096
    Path(manifest["path"]).write_bytes(content)
    assert sqlite_manifest.verify_backup(manifest) != ""


def test_a_folder_names_what_cannot_be_read_in_it(tmp_path):
    (tmp_path / "x.db.json").write_text("{")
    (tmp_path / "y.db.json").write_text(json.dumps(WHOLE))
    found, problems = sqlite_manifest.read_folder(tmp_path)
    assert ([manifest["path"] for manifest in found], list(problems)) == ([f"{tmp_path}/y.db"], [f"{tmp_path}/x.db"])
    assert sqlite_manifest.read_folder(tmp_path / "none") == ([], {})
    with pytest.raises(SqliteError, match="The folder .*x.db.json cannot be read: Not a directory; correct the path"):
        sqlite_manifest.read_folder(tmp_path / "x.db.json")


def test_a_backup_that_is_gone_or_cut_is_not_there(tmp_path):
    (tmp_path / "x.db").write_bytes(b"12345")
    for size, there in ((5, True), (6, False)):
        assert sqlite_manifest.is_there({"path": str(tmp_path / "x.db"), "size": size}) is there
    assert sqlite_manifest.is_there({"path": str(tmp_path / "y.db"), "size": 5}) is False


def manifests(days, bases=()):
    """Return manifests of backups that many days ago, oldest first; `bases` is day -> day of what it rests on."""
    return [
        {
            "path": f"/b/{day}",
            "created": (NOW - timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "base": str(dict(bases)[day]) if day in dict(bases) else None,
        }
        for day in sorted(days, reverse=True)
    ]


@pytest.mark.parametrize(
    "days, keep, protect, bases, removed",
    [
        ([0, 1, 2], {}, [], {}, []),
        ([0, 1, 2], {"last": 2}, [], {}, [2]),
        ([0, 1, 2], {"last": 1}, ["/b/2"], {}, [1]),
        ([0, 0.05, 1, 2], {"daily": 2}, [], {}, [2, 0.05]),
        ([0, 7, 14, 21], {"weekly": 2}, [], {}, [21, 14]),
        ([0, 1, 7, 14], {"last": 1, "weekly": 3}, [], {}, [1]),
        ([0, 1, 2], {"last": 1}, [], {0: 2}, [1]),
        ([0, 1, 2, 3], {"last": 2}, [], {0: 1, 2: 3}, []),
        ([0, 1, 2, 3], {"last": 1}, ["/b/1"], {1: 3}, [2]),
    ],
)
def test_what_no_rule_keeps_is_removed(days, keep, protect, bases, removed):
    chosen = sqlite_manifest.choose_to_remove(manifests(days, bases), keep, protect)
    assert [manifest["path"] for manifest in chosen] == [f"/b/{day}" for day in removed]


def test_a_removed_backup_leaves_nothing(tmp_path):
    (tmp_path / "x.db.json").write_text(json.dumps({}))
    manifest = {"path": str(tmp_path / "x.db"), "manifest": str(tmp_path / "x.db.json")}
    sqlite_manifest.remove_backups([manifest])
    assert os.listdir(tmp_path) == []


def test_a_backup_that_cannot_be_removed_is_named(tmp_path):
    (tmp_path / "x.db").mkdir()
    with pytest.raises(SqliteError, match="Cannot remove the backup"):
        sqlite_manifest.remove_backups([{"path": str(tmp_path / "x.db"), "manifest": "-"}])


def test_rules_of_retention_are_numbers():
    assert sqlite_manifest.parse_keep({"last": "5", "daily": 7}) == {"last": 5, "daily": 7}


@pytest.mark.parametrize(
    "keep, message",
    [({"hourly": 1}, "no rule 'hourly'"), ({"last": "x"}, "keep.last must be"), ({"last": "²"}, "keep.last must")],
)
def test_a_wrong_rule_of_retention_is_named(keep, message):
    with pytest.raises(SqliteError, match=message):
        sqlite_manifest.parse_keep(keep)
