# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import fcntl
import json
import os
import re
from collections import namedtuple
from datetime import timedelta
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup as sqlite_backup
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import drill
from sqlite_host import NOW, Host

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def host(tmp_path):
    (tmp_path / "state").mkdir()
    return Host(tmp_path)


def want(host, **more):
    given = {"path": str(host.path), "state_path": str(host.folder / "state"), "timeout": 5, **more}
    return drill.Drill(str(host.folder / "backups"), str(host.folder / "state"), **given)


def run(host, check_mode=False, **more):
    return drill.drill(want(host, **more), NOW + timedelta(hours=5), lambda: 1.0, check_mode)


def edit(manifest, **changes):
    path = Path(manifest["manifest"])
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def kept(host):
    return json.loads((host.folder / "state" / "drill.json").read_text())


@pytest.mark.parametrize("thoroughly, how", [(True, "full"), (False, "quick")])
def test_a_good_backup_is_reported_with_what_is_in_it_and_nothing_is_left(host, thoroughly, how):
    before = host.path.read_bytes()
    result = run(host, thoroughly=thoroughly)
    backup = host.manifest["path"]
    assert (result["problem"], result["changed"], result["checked"], result["unknown"]) == ("", True, how, [])
    assert (result["backup"], result["age"], result["row_counts"], result["user_version"]) == (
        backup,
        18000,
        {"t": 2},
        0,
    )
    assert result["report"] == (
        f"The backup {backup}, 5h old, can be restored: 2 rows in 1 tables, user_version 0, {how} check, 0.0 seconds"
    )
    assert os.listdir(host.folder / "state") == ["drill.json"]
    assert (host.folder / "state" / "drill.json").stat().st_mode & 0o777 == 0o600
    last = drill.read_last(host.folder / "state")
    assert last == {**drill.read_last(host.folder / "state", str(host.path)), "format": 1}
    assert last == {
        "format": 1,
        "at": "2026-02-19T07:00:00Z",
        "good": True,
        "problem": "",
        "backup": backup,
        "created": host.manifest["created"],
    }
    assert host.path.read_bytes() == before


def test_an_update_is_restored_with_what_it_rests_on(host):
    host.want_update()
    result = run(host)
    assert (result["problem"], result["backup"].endswith(".pages"), result["row_counts"]) == ("", True, {"t": 3})


def test_a_compressed_backup_is_restored(tmp_path):
    (tmp_path / "state").mkdir()
    host = Host(tmp_path, compression="gzip", verify="full")
    assert (run(host)["problem"], run(host, path=None)["problem"]) == ("", "")


def test_check_mode_says_what_would_be_done(host):
    result = run(host, check_mode=True)
    assert (result["changed"], result["problem"], os.listdir(host.folder / "state")) == (False, "", [])
    assert f"5h old, would be restored to {host.folder}/state/.drill, which takes " in result["report"]


def damage_the_file(host):
    path = Path(host.manifest["path"])
    path.write_bytes(path.read_bytes()[:-1] + b"x")


def damage_what_is_in_it(host):
    """Make a whole backup of a damaged database."""
    path = Path(host.manifest["path"])
    content = bytearray(path.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    path.write_bytes(content)
    edit(host.manifest, sha256=None, content_sha256=None)


def take_away_the_base(host):
    host.want_update()
    for name in (host.manifest["path"], host.manifest["manifest"]):
        os.unlink(name)


@pytest.mark.parametrize(
    "spoil, problem",
    [
        (damage_the_file, "is not what its manifest says"),
        (damage_what_is_in_it, "is not sound: "),
        (take_away_the_base, "does not exist; it has no manifest"),
        (lambda host: edit(host.manifest, user_version=9), "has another schema than its manifest says; take a new one"),
        (lambda host: edit(host.manifest, row_counts={"t": 3}), "has 2 rows in t, its manifest says 3; take a new one"),
        (lambda host: edit(host.manifest, row_counts={}), "has 2 rows in t, its manifest says None; take a new one"),
        (lambda host: os.unlink(host.manifest["path"]), "There is no backup of .*app.db in .*backups; take one with"),
    ],
)
def test_a_backup_that_is_not_good_is_told_kept_and_nothing_is_left(host, spoil, problem):
    spoil(host)
    result = run(host)
    assert re.search(problem, result["problem"])
    assert (kept(host)["good"], kept(host)["problem"]) == (False, result["problem"])
    assert os.listdir(host.folder / "state") == ["drill.json"]


def test_a_drill_empties_no_folder_to_which_it_was_led(host, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").write_text("x")
    (host.folder / "state" / ".drill").symlink_to(tmp_path / "precious")
    assert run(host)["problem"].startswith("The system refused the drill: ")
    assert os.listdir(tmp_path / "precious") == ["file"]


def test_what_the_check_finds_is_told(host, monkeypatch):
    monkeypatch.setattr(drill, "check", lambda _opened, _thoroughly: drill.Checked("row 1 missing from index"))
    assert run(host)["problem"].endswith("is damaged: row 1 missing from index; take a new one")
    assert os.listdir(host.folder / "state") == ["drill.json"]


def test_a_manifest_that_says_nothing_hides_no_newer_backup(host):
    broken = host.folder / "backups" / "app.db.x.db.json"
    broken.write_text("{")
    os.utime(broken, ns=(0, 0))
    assert run(host)["problem"] == ""
    os.utime(broken)
    assert "app.db.x.db, and it is newer than" in run(host)["problem"]


def test_of_several_databases_the_newest_backup_is_taken_where_none_is_named(host):
    assert "There is no backup of /else/app.db in" in run(host, path="/else/app.db")["problem"]
    host.path.rename(host.folder / "data" / "other.db")
    host.path = host.folder / "data" / "other.db"
    other = sqlite_backup.make_backup(host.plan("oth"))
    edit(other, created="2026-02-19T03:00:00.000000Z", sequence=0)
    assert run(host, path=None)["backup"] == other["path"]
    assert run(host, path=str(host.folder / "data" / "app.db"))["backup"] == host.manifest["path"]
    assert "There is no backup in" in drill.drill(drill.Drill("/nowhere", "/"), NOW, lambda: 1.0)["problem"]


def test_a_drill_without_room_or_folder_is_refused_also_in_check_mode(host, monkeypatch):
    nowhere = drill.Drill(str(host.folder / "backups"), str(host.folder / "none"), str(host.path))
    assert "none is no folder to restore a backup in" in drill.drill(nowhere, NOW, lambda: 1.0)["problem"]
    monkeypatch.setattr(drill.shutil, "disk_usage", lambda _path: Usage(1, 1, 5000))
    for check_mode in (False, True):
        problem = run(host, check_mode=check_mode)["problem"]
        assert "bytes are needed, 5000 are free; set greenlight_drill_path" in problem


def test_two_drills_do_not_meet_and_the_next_one_removes_what_a_killed_one_left(host):
    left = host.folder / "state" / ".drill"
    left.mkdir()
    (left / "restored.db").write_text("x")
    holder = os.open(host.folder / "state", os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    assert "Another drill is at work in" in run(host)["problem"]
    assert left.exists()
    os.close(holder)
    assert (run(host)["problem"], left.exists()) == ("", False)


def test_what_a_stopped_drill_left_is_cleared(host):
    left = host.folder / "state" / ".drill"
    drill.clear(str(left.parent))
    left.mkdir()
    drill.clear(str(left.parent))
    assert not left.exists()


def test_without_a_state_path_nothing_is_kept(host):
    for missing in (None, str(host.folder / "none")):
        assert (run(host, state_path=missing)["problem"], os.listdir(host.folder / "state")) == ("", [])
    assert drill.read_last(host.folder / "state") == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}'])
def test_a_result_that_cannot_be_read_says_nothing(tmp_path, text):
    (tmp_path / "drill.json").write_text(text)
    assert drill.read_last(tmp_path) == {}
