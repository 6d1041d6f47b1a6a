# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import itertools
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import backup as sqlite_backup
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import manifest as sqlite_manifest
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import off_host
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from sqlite_host import NOW, Host

AT = "2026-02-19T02:00:00Z"


@pytest.fixture
def host(tmp_path):
    (tmp_path / "store").mkdir()
    return Host(tmp_path)


def want(host, *command, **more):
    given = {"environment": dict(os.environ), "timeout": 60, **more}
    return off_host.Copying(
        [host.wanted.manifest["path"]], command or ("cp", "{file}", f"{host.folder}/store/"), **given
    )


def copy(wanted, clock=lambda: 0.0, **more):
    return off_host.copy(wanted, lambda: NOW, clock, **more)


def noted(host):
    path = Path(host.wanted.manifest["path"] + ".copied")
    assert path.stat().st_mode & 0o777 == 0o600
    return json.loads(path.read_text())


def test_a_backup_goes_with_its_manifest_last_and_what_came_of_it_is_kept_next_to_it(host):
    list_them = ["sh", "-c", f'cp "$1" {host.folder}/store/ && echo "$2" >> {host.folder}/order', "sh"]
    done = copy(want(host, *list_them, "{file}", "{name}"))
    backup = Path(host.manifest["path"])
    assert done == {
        "changed": True,
        "copied": True,
        "at": AT,
        "problem": "",
        "files": [str(backup), f"{backup}.json"],
    }
    assert (host.folder / "order").read_text().split() == [backup.name, f"{backup.name}.json"]
    assert noted(host) == {"format": 1, "at": AT, "copied_at": AT, "problem": ""}
    assert off_host.read_copied(backup) == noted(host)


def test_the_copy_of_an_update_has_what_it_rests_on_and_can_be_restored_elsewhere(host):
    host.want_update()
    done = copy(want(host))
    base, update = host.manifest["path"], host.wanted.manifest["path"]
    assert done["files"] == [base, f"{base}.json", update, f"{update}.json"]
    fetched = sqlite_manifest.read_manifest(host.folder / "store" / Path(update).name)
    assert sqlite_manifest.verify_backup(fetched) == ""


def test_of_several_backups_one_that_is_not_copied_keeps_no_other_from_it(host, tmp_path):
    (tmp_path / "second").mkdir()
    other = Host(tmp_path / "second")
    first, second = host.manifest["path"], other.manifest["path"]
    refuses = ["sh", "-c", f'test "$1" != {first} && cp "$1" {host.folder}/store/', "sh", "{file}"]
    done = copy(replace(want(host, *refuses), backups=[first, second]))
    assert (done["copied"], done["files"]) == (False, [second, f"{second}.json"])
    assert done["problem"] == f"{Path(first).name} was not copied off the host: sh ended with status 1: it said nothing"
    assert off_host.read_copied(Path(second))["problem"] == ""
    assert off_host.read_copied(Path(first))["problem"] == done["problem"]
    done = copy(replace(want(host, already=done["files"]), backups=[first, second]))
    assert (done["copied"], sorted(done["files"])) == (True, sorted([second, f"{second}.json", first, f"{first}.json"]))
    assert copy(replace(want(host), backups=[])) == {**done, "changed": False, "files": []}


def test_what_was_copied_before_the_switch_is_not_copied_again(host):
    first = copy(want(host))
    host.want_update()
    (host.folder / "store" / Path(host.manifest["path"]).name).unlink()
    done = copy(want(host, already=first["files"]))
    assert [Path(each).suffix for each in done["files"]] == [".db", ".json", ".pages", ".json"]
    assert len(list((host.folder / "store").iterdir())) == 3, "the base was left alone"
    again = copy(want(host, already=done["files"]))
    assert (again["changed"], again["copied"], again["files"]) == (False, True, done["files"])


def test_a_copy_that_fails_is_told_without_a_secret_and_keeps_what_is_known(host):
    copy(want(host))
    said = "echo to https://me:hunter2@store, $SECRET, token=token-123456; echo; exit 3"
    command = ("sh", "-c", said, "sh", "{file}", "https://me:hunter2@store", "token=token-123456")
    wanted = want(host, *command, environment={**os.environ, "SECRET": "value-of-it"}, secrets=["value-of-it"])
    done = copy(wanted)
    name = Path(host.manifest["path"]).name
    assert done["problem"] == (
        f"{name} was not copied off the host: sh ended with status 3: to ********, ********, ********"
    )
    assert (done["copied"], done["files"]) == (False, [])
    assert noted(host) == {"format": 1, "at": AT, "copied_at": AT, "problem": done["problem"]}
    assert not any(secret in repr(wanted) for secret in ("hunter2", "value-of-it", "token-123456"))


@pytest.mark.parametrize(
    "command, timeout, problem",
    [
        (("sh", "-c", "exit 1", "{file}"), 60, "sh ended with status 1: it said nothing"),
        (("sleep", "60", "60", "{file}"), 0.2, "sleep ended with status 1: "),
        (("sh", "-c", "sleep 60", "{file}"), 0.2, "the copy did not end in 0.2 seconds, and sh was killed"),
        (("{folder}", "{file}"), 60, "cannot be started: Permission denied"),
        (("no-such-program", "{file}"), 60, "no-such-program cannot be started: No such file or directory"),
    ],
)
def test_each_way_to_fail_has_its_sentence(host, command, timeout, problem):
    command = [word.replace("{folder}", str(host.folder)) for word in command]
    assert problem in copy(want(host, *command, timeout=timeout))["problem"]
    assert noted(host)["copied_at"] is None


def test_a_connection_of_ssh_that_stays_for_others_keeps_nobody_waiting(host):
    pid = host.folder / "pid"
    left = f"setsid sleep 600 & echo $! > {pid}"
    try:
        done = copy(want(host, "sh", "-c", left, "{file}", timeout=20))
        assert (done["problem"], done["copied"]) == ("", True)
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


@pytest.mark.parametrize("which, mode", [("backups", 0o700), (".", 0o700), (".", 0o757)])
def test_root_copies_nothing_from_a_folder_in_which_another_user_could_put_a_link(host, monkeypatch, which, mode):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    folder = host.folder / which
    if mode == 0o700 and os.getuid() == 0:
        os.chown(folder, 12345, 12345)
    folder.chmod(mode)
    done = copy(want(host))
    assert (done["copied"], done["files"], os.listdir(host.folder / "store")) == (False, [], [])
    assert "could lead root to any file; run as the user of the app (greenlight_app_user)" in done["problem"]


def test_a_command_runs_where_nobody_can_leave_it_anything(host):
    done = copy(want(host, "sh", "-c", "pwd; exit 1", "{file}"))
    assert done["problem"].endswith("sh ended with status 1: /")


def test_of_what_a_command_says_the_end_is_enough(host):
    done = copy(want(host, "sh", "-c", "head -c 70000 /dev/zero | tr '\\0' x; echo; echo the end; exit 1", "{file}"))
    assert done["problem"].endswith("sh ended with status 1: the end")


def test_all_files_share_the_time(host):
    ticks = itertools.count(step=40)
    done = copy(want(host, timeout=60), clock=lambda: float(next(ticks)))
    assert done["files"] == [host.manifest["path"]]
    assert done["problem"].endswith(".db.json was not copied off the host: the copy did not end in 60 seconds")


@pytest.mark.parametrize(
    "command, timeout, problem",
    [
        ((), 1, "must be a list of words"),
        (("cp", ""), 1, "must be a list of words"),
        (("cp", "/secret"), 1, "has no word with {file}, which stands"),
        (("{file}", "x"), 1, "has no word with {file}, which stands"),
        (("cp", "{file}"), 0, "must be more than 0 seconds, not 0"),
        (("no-such-program", "{file}"), 1, "There is no program no-such-program to copy the backup with"),
    ],
)
def test_a_command_that_can_copy_nothing_is_refused_also_in_check_mode(host, command, timeout, problem):
    wanted = off_host.Copying([host.manifest["path"]], command, dict(os.environ), timeout=timeout)
    with pytest.raises(SqliteError, match=problem) as caught:
        copy(wanted, check_mode=True)
    assert "/secret" not in str(caught.value)


def test_check_mode_copies_nothing(host):
    done = copy(want(host), check_mode=True)
    assert (done["changed"], done["copied"], done["at"]) == (True, False, None)
    assert (list((host.folder / "store").iterdir()), off_host.read_copied(Path(host.manifest["path"]))) == ([], {})


def test_no_other_run_removes_a_backup_while_it_is_copied(host, monkeypatch):
    seen = []

    def look(*_arguments, **_more):
        with sqlite_backup.alone_in(host.folder / "backups") as alone:
            seen.append(alone)
        return off_host.commands.Ended("ended", 0)

    monkeypatch.setattr(off_host.commands, "run_group", look)
    copy(want(host))
    assert seen == [False, False]


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 2}'])
def test_what_cannot_be_read_says_nothing(host, text):
    backup = Path(host.manifest["path"])
    Path(f"{backup}.copied").write_text(text)
    assert off_host.read_copied(backup) == {}


def test_what_is_known_of_a_copy_goes_with_its_backup(host):
    copy(want(host))
    sqlite_manifest.remove_backups([host.manifest])
    assert sorted(os.listdir(host.folder / "backups")) == [".lock"]


def test_the_half_of_a_note_that_a_killed_run_left_is_swept(host):
    left = host.folder / "backups" / ".app.db.copied.partial"
    left.write_text("{")
    with sqlite_backup.folder_in_use(host.folder / "backups"):
        assert not left.exists()
