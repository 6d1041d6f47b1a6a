# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat, store
from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._switch import build
from ansible_collections.greenlight.release.plugins.module_utils._switch.build import Build, Command
from pm2_fakes import instance, listed
from staged_host import Host

SHOW = (
    "import json, os, subprocess\n"
    "sha = subprocess.run(['git', 'rev-parse', 'HEAD'], capture_output=True, text=True).stdout.strip()\n"
    "print(json.dumps([os.path.basename(os.getcwd()), sha, os.environ['GREENLIGHT_REVISION'], os.environ['CI'],\n"
    "  os.environ['FROM_PM2'], os.environ['FROM_FILE'], open('.env').read()]))"
)


@pytest.fixture
def host(tmp_path):
    host = Host(tmp_path, "in_place")
    host.commit({"backend/server.js": "1"})
    (host.path / "backend").mkdir()
    (host.path / "backend" / ".env").write_text("FROM_FILE=file")
    return host


@pytest.fixture
def make(host, tmp_path):
    stage, log = host.stage().path, tmp_path / "state" / "output" / "r1.log"

    def make(code, folder="backend", **more):
        command = Command((sys.executable, "-c", code), folder)
        wanted = Build(host.run, host.wanted().move, stage, "shop", "backend", [command], 20, log)
        return replace(wanted, **more)

    return make


def state(node="", **env):
    return replace(pm2.NOTHING, processes=[listed(env=env)], instances=[instance(node_version=node)])


def test_commands_run_as_the_app_would_in_the_new_revision(host, make):
    wanted = make(SHOW)
    assert build.build(wanted, state(FROM_PM2="pm2"), os.environ) == []
    said = wanted.log.read_text()
    assert f'["backend", "{host.sha}", "{host.sha}", "true", "pm2", "file", "FROM_FILE=file"]' in said
    assert not (wanted.stage / ".git").exists()
    assert not (wanted.stage / "backend" / ".env").exists()


def test_what_fails_is_quoted_without_secrets_and_its_output_is_kept(make):
    wanted = make("import os; print('first'); print(os.environ['API_TOKEN']); raise SystemExit(3)")
    with pytest.raises(CommandError) as error:
        build.build(wanted, state(API_TOKEN="abcdef123"), os.environ)
    assert f"ended with status 3: first | ******** (all of it is in {wanted.log})" in str(error.value)
    assert "first\n********\n" in wanted.log.read_text()


def test_output_that_cannot_be_kept_is_a_warning(make):
    wanted = make("print('said')")
    wanted.log.mkdir(parents=True)
    (warning,) = build.build(wanted, state(), os.environ)
    assert f"{wanted.log} is not a regular file" in warning


@pytest.mark.parametrize(
    "more, said",
    [
        ({"commands": [Command(("true",), "gone")]}, "true cannot run in .*/gone, which .* does not have"),
        (
            {"commands": [Command(("unheard-of",), "")]},
            "unheard-of cannot be started in .*No such file or directory .unheard-of.$",
        ),
    ],
)
def test_what_cannot_be_started_is_said(make, more, said):
    with pytest.raises(CommandError, match=said):
        build.build(make("", **more), state(), os.environ)


def test_another_node_than_that_of_the_app_is_a_warning(make, tmp_path):
    program = tmp_path / "bin" / "node"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n[ $1 = --version ] && echo v20.1.0\n")
    program.chmod(0o755)
    own = {**os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    wanted = make("")
    (warning,) = build.build(wanted, state("24.3.0"), own)
    assert warning.startswith("The commands run with Node 20.1.0, and PM2 runs shop with Node 24.3.0: ")
    assert build.build(wanted, state("20.1.0"), own) == []
    program.write_text("#!/bin/sh\nexit 3\n")
    assert build.build(wanted, state("24.3.0"), own) == []
    nowhere = make("", commands=[])
    assert build.build(nowhere, state("24.3.0"), {"PATH": "/nonexistent"}) == []


@pytest.mark.parametrize(
    "given, said",
    [
        ([{"words": [], "folder": ""}], "must be a list of words"),
        ([{"words": ["true"], "folder": "/srv"}], "'/srv' must lie in the repository"),
        ([{"words": ["true"], "folder": "a/../.."}], "must lie in the repository, such as backend"),
    ],
)
def test_commands_that_cannot_be_meant_are_refused(given, said):
    with pytest.raises(CommandError, match=said):
        build.parse_commands(given)


def test_commands_are_read_with_their_folders():
    assert build.parse_commands([{"words": ["true"]}, {"words": ["make", "x"], "folder": "backend"}]) == [
        Command(("true",), ""),
        Command(("make", "x"), "backend"),
    ]


def test_a_build_renews_the_lease_of_its_run_and_stops_when_another_run_has_the_release(host, make, tmp_path):
    """The first command ends when the lease was renewed, and hands the release to another run then."""
    state_path, file = tmp_path / "state", tmp_path / "state" / "releases" / f"{host.wanted().move.release_id}.json"
    state_path.mkdir(mode=0o700, exist_ok=True)
    opening = release_record.Opening("shop", file.stem, "a" * 40, host.sha, "run 1", "alice", 1)
    with store.exclusive(state_path, os.geteuid()):
        record = release_record.open_release([], opening, datetime.now(timezone.utc) - timedelta(hours=1))
        store.write_record(state_path, record)
    wait = (
        "import json, pathlib\n"
        f"file = pathlib.Path({str(file)!r})\n"
        "read = lambda: json.loads(file.read_text())\n"
        "first = read()['lock']['until']\n"
        "while read()['lock']['until'] == first: pass\n"
        "file.write_text(json.dumps({**read(), 'lock': {**read()['lock'], 'run_id': 'run 2'}}))\n"
    )
    wanted = make(wait, lease=heartbeat.Lease(state_path, "run 1", 1, 1))
    wanted = replace(wanted, commands=[*wanted.commands, Command(("touch", str(tmp_path / "second")), "")])
    with pytest.raises(RecordError, match="This run lost the release to another"):
        build.build(wanted, state(), os.environ)
    assert not (tmp_path / "second").exists()
