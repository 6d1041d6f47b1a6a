# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the app's user plants in its folders, and the modules run as root."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
SHOP, OTHER = 12345, 23456


def own(path, uid):
    os.chown(path, uid, uid, follow_symlinks=False)
    return path


@pytest.fixture
def host(tmp_path):
    """Return a folder with the database of the shop, and the private one of another user."""
    for name, uid in (("shop", SHOP), ("other", OTHER)):
        (tmp_path / name).mkdir(mode=0o755)
        with contextlib.closing(sqlite3.connect(tmp_path / name / "app.db", isolation_level=None)) as opened:
            opened.execute(f"CREATE TABLE {name} (x)")
        (tmp_path / name / "app.db").chmod(0o600)
        (tmp_path / name / "app.log").write_text(f"quoted of {name}\n")
        for each in ("app.db", "app.log", ""):
            own(tmp_path / name / each, uid)
    return tmp_path


@pytest.mark.parametrize("uid, said", [(SHOP, "is a link of uid 12345 to"), (0, "uid 12345, who could have led root")])
def test_sqlite_backup_follows_no_planted_link(host, run_module, uid, said):
    planted = host / "shop" / "planted.db"
    planted.symlink_to("../other/app.db")
    own(planted, uid)
    backups = {"path": str(host / "shop" / "app.db"), "dest": str(host / "backups")}
    backup = run_module("sqlite_backup", backups)["backup"]["path"]
    before = (host / "other" / "app.db").read_bytes()
    taken = run_module("sqlite_backup", {**backups, "path": str(planted)})
    restored = run_module("sqlite_backup", {"state": "restored", "src": backup, "path": str(planted), "force": True})
    for answer in (taken, restored):
        assert said in answer["msg"]
        assert "uid 23456" in answer["msg"]
    assert len(list((host / "backups").glob("*.db"))) == 1
    assert (host / "other" / "app.db").read_bytes() == before


def test_sqlite_backup_with_force_replaces_nothing_that_is_no_database(host, run_module):
    backups = {"path": str(host / "shop" / "app.db"), "dest": str(host / "backups")}
    backup = run_module("sqlite_backup", backups)["backup"]["path"]
    arguments = {"state": "restored", "src": backup, "path": str(host / "shop" / "app.log"), "force": True}
    assert (
        "is not a SQLite database, so no backup of another one takes its place"
        in run_module("sqlite_backup", arguments)["msg"]
    )
    assert (host / "shop" / "app.log").read_text() == "quoted of shop\n"


@pytest.mark.parametrize("planted", ["a link", "a folder", "a second name", "a pipe"])
def test_log_assert_quotes_no_planted_file(host, run_module, planted):
    log = host / "shop" / "logs" / "app.log"
    if planted == "a folder":
        own(host / "shop", SHOP)
        log.parent.symlink_to("../other")
        own(log.parent, SHOP)
    else:
        log.parent.mkdir()
        make = {"a link": log.symlink_to, "a second name": log.hardlink_to, "a pipe": lambda _to: os.mkfifo(log)}
        make[planted](host / "other" / "app.log")
        own(log.parent, SHOP)
        if planted == "a link":
            own(log, SHOP)
    arguments = {"files": [{"path": str(log), "stream": "out"}], "tail_bytes": 1000}
    answer = run_module("log_assert", {**arguments, "forbid": [{"pattern": "quoted"}]})
    assert answer["failed"] is True
    assert "quoted of other" not in str(answer)


def test_a_swapped_folder_does_not_lead_root_to_another_database(host, run_module):
    shutil.move(host / "shop", host / "moved")
    (host / "shop").symlink_to("other")
    own(host / "shop", SHOP)
    answer = run_module("sqlite_backup", {"path": str(host / "shop" / "app.db"), "dest": str(host / "backups")})
    assert "shop is a link of uid 12345 to" in answer["msg"]


def write_as_shop(path):
    """Write a row to a database as the user of the shop, and return the exit status of the process."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgid(SHOP)
            os.setuid(SHOP)
            sqlite3.connect(path, isolation_level=None).execute("INSERT INTO shop VALUES (1)")
            code = 0
        finally:
            # Nothing of the test may run twice.
            os._exit(code)
    return os.waitpid(child, 0)[1]


@pytest.fixture
def open_folder():
    """Return a folder of root that every user can look into, and so the folders above it. Those of pytest are not."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_root_leaves_the_files_that_the_shop_cannot_make_again(host, open_folder, run_module):
    """The shop may write to its database and the files next to it, and to nothing else in the folder."""
    database = str(open_folder / "app.db")
    with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as app:
        app.executescript("PRAGMA journal_mode = WAL; CREATE TABLE shop (x)")
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").touch()
        own(f"{database}{suffix}", SHOP)
    assert write_as_shop(database) == 0
    taken = run_module("sqlite_backup", {"path": database, "dest": str(host / "backups")})
    assert write_as_shop(database) == 0
    wanted = {"state": "restored", "src": taken["backup"]["path"], "path": database}
    assert run_module("sqlite_backup", wanted)["changed"] is True
    assert write_as_shop(database) == 0
