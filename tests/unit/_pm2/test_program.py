# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import program
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    PM2Error,
)
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program
from pm2_fakes import FULL, make_disk


@pytest.mark.parametrize(
    "package, version", [('{"name": "pm2", "version": "7.0.4"}', "7.0.4"), ('{"name": "other"}', ""), ("{", "")]
)
def test_the_version_of_the_program_is_that_of_its_package(tmp_path, package, version):
    executable = tmp_path / "pm2" / "bin" / "pm2"
    executable.parent.mkdir(parents=True)
    executable.touch()
    (tmp_path / "pm2" / "package.json").write_text(package)
    assert program.version_of(str(executable)) == version
    assert program.version_of(None) == ""


@pytest.mark.parametrize("name, found", [("~/bin/pm2", "bin/pm2"), ("pm2", "bin/pm2"), ("~/bin/pm3", None)])
def test_a_program_is_found_on_path_and_below_the_home(tmp_path, monkeypatch, name, found):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "pm2").touch(mode=0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert program.find_executable(name) == (str(tmp_path / found) if found else None)


def test_the_environment_of_the_caller_does_not_reach_the_app():
    given = {"PATH": "/bin", "HOME": "/home/shop", "AWS_SECRET": "hunter2"}
    assert program.clean_environment(given, Path("/p"), "/nvm/bin/pm2") == {
        "PATH": "/nvm/bin:/bin",
        "HOME": "/home/shop",
        "PM2_HOME": "/p",
    }


def test_a_program_gets_exactly_its_environment_folder_and_umask(tmp_path):
    script = "import os; print(os.environ.get('A'), 'HOME' in os.environ, os.getcwd(), os.umask(0))"
    program = Program(sys.executable, {"A": "1"}, 20)
    assert program.run("-c", script, folder=tmp_path, umask=0o077).split() == ["1", "False", str(tmp_path), "63"]
    assert program.run("-c", script).split()[2] == "/"


@pytest.mark.parametrize(
    "command, message",
    [
        (
            [sys.executable, "-c", "print('one\\n\\ntwo'); raise SystemExit(3)"],
            f"{Path(sys.executable).name} -c failed with status 3: one | two",
        ),
        (["/nonexistent/pm2", "start"], "Cannot run /nonexistent/pm2: No such file or directory; set executable"),
    ],
)
def test_a_program_that_fails_is_quoted(command, message):
    with pytest.raises(PM2Error) as error:
        Program("pm2", {}, 20).run_command(command)
    assert message in str(error.value)


def test_a_program_that_prints_without_end_is_ended():
    endless = Program(sys.executable, {}, 20)
    with pytest.raises(PM2Error, match="printed more than 100 bytes, and was ended"):
        endless.run_command([sys.executable, "-c", "while True: print('x' * 1000)"], longest=100)


def test_a_program_that_hangs_is_ended_and_the_time_is_used():
    looked = []
    program = Program(sys.executable, {}, 0.05, lambda: looked.append(1))
    with pytest.raises(PM2Error, match=r"did not end in 0.05 seconds; check whether PM2 hangs, or raise timeout"):
        program.run("-c", "import threading; threading.Event().wait()")
    assert looked


@pytest.mark.parametrize(
    "changes, uid, message",
    [
        ({}, 0, ""),
        (FULL, 0, "36864 bytes and 90 files are free, 65539 bytes and 5 files are needed; free some and try again"),
        ({"f_bavail": 9}, 0, ""),
        ({"f_bavail": 9}, 1000, "No space is left for PM2_HOME /tmp/none/pm2: 36864 bytes"),
        ({"f_ffree": 4}, 0, "bytes and 4 files are free"),
        ({"f_favail": 4}, 0, ""),
        ({"f_favail": 4}, 1000, "bytes and 4 files are free"),
        ({"f_ffree": 0, "f_files": 0}, 0, ""),
    ],
)
def test_a_full_home_is_refused_before_pm2_hangs_at_it(monkeypatch, changes, uid, message):
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    make_disk(monkeypatch, **changes)
    with pytest.raises(PM2Error, match=message) if message else contextlib.nullcontext():
        program.refuse_full(Path("/tmp/none/pm2"), 5, 3)


def test_a_home_that_cannot_be_asked_is_left_to_pm2(monkeypatch):
    def refuse(_path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "statvfs", refuse)
    program.refuse_full(Path("/tmp"), 5)


@pytest.mark.parametrize("changes, message", [(FULL, "No space is left for PM2_HOME"), ({}, "-c failed with status 3")])
def test_what_fails_at_a_full_home_is_explained(monkeypatch, tmp_path, changes, message):
    make_disk(monkeypatch, **changes)
    with pytest.raises(PM2Error, match=message):
        Program(sys.executable, {"PM2_HOME": str(tmp_path)}, 20).run("-c", "raise SystemExit(3)")


def test_a_program_that_is_not_there_is_reported_with_what_to_do(tmp_path):
    with pytest.raises(PM2Error, match="set executable to its absolute path"):
        program.find_program("/nonexistent/pm2", tmp_path, 5, {})
    assert program.find_program("sh", tmp_path, 5, {}).executable
