# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import sys
from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import make_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import first
from ansible_collections.greenlight.release.plugins.module_utils._switch.build import Command
from pm2_fakes import instance
from staged_host import Host

SHOW = "import os; print(os.getcwd(), os.environ['TOKEN_FREE'], os.environ['FROM_FILE'], os.environ['CI'])"


@pytest.fixture(params=["in_place", "releases"])
def made(request, tmp_path, monkeypatch):
    """Return a first release whose code is there, what is asked of its ecosystem file, and the folder of its tree."""
    host = Host(tmp_path, request.param)
    host.commit({"backend/server.js": "1", "backend/.env": "FROM_FILE=file\n"})
    move = replace(host.wanted().move, from_sha=host.sha)
    tree = host.path
    if request.param == "releases":
        tree = host.stage().path
    asked = []

    def read_configs(_host, file, name, others, given, _cpus):
        asked.append((file, others, given))
        return {name: make_config(name, {"script": "s.js", "env": {"TOKEN_FREE": "eco"}}, {}, tmp_path, 1)}

    monkeypatch.setattr(first.pm2, "read_configs", read_configs)
    command = Command((sys.executable, "-c", SHOW), "backend")
    migrate = [[sys.executable, "-c", SHOW.replace("print(", "print('migrates', ")]]
    log = tmp_path / "state" / "output" / "r1.log"
    wanted = first.First(host.run, move, "shop", "backend", "eco.js", "live", [command], migrate, 20, log)
    return wanted, asked, tree


def test_the_code_is_put_in_place_and_built_with_the_variables_of_its_ecosystem_file(made):
    wanted, asked, tree = made
    assert first.put_in_place(wanted, None, os.environ) == []
    root = wanted.place.parent.parent
    said = wanted.log.read_text()
    assert f"{tree / 'backend'} eco file true" in said
    assert f"migrates {(root / 'backend').resolve()} eco file true" in said
    assert (root / "backend" / "server.js").read_text() == "1"
    ((file, others, given),) = asked
    assert (file.place, file.elsewhere, file.env_name) == (wanted.place, tree / "backend" / "eco.js", "live")
    assert (others, given, file.modules) == ((), {}, (tree / "backend" / "node_modules",))


def test_a_command_that_fails_is_quoted_and_nothing_leads_to_the_code(made):
    wanted, _asked, _tree = made
    fails = Command((sys.executable, "-c", "print('no disk'); raise SystemExit(3)"), "")
    with pytest.raises(CommandError, match=r"ended with status 3: no disk \(all of it is in .*r1.log\)"):
        first.put_in_place(replace(wanted, build=[fails]), None, os.environ)
    assert first.take_away(wanted) is False


def test_a_command_that_cannot_be_started_has_said_nothing(made):
    with pytest.raises(CommandError, match="No such file or directory .*npm.$") as told:
        first.put_in_place(replace(made[0], build=[Command(("/nonexistent/npm",), "")]), None, os.environ)
    assert "all of it" not in str(told.value)


def test_what_was_put_in_place_is_taken_away_again(made):
    wanted, _asked, tree = made
    first.put_in_place(wanted, None, os.environ)
    assert first.take_away(wanted) is (wanted.move.kind == "releases")
    assert not os.path.lexists(str(wanted.move.app_path / "current"))
    assert tree.is_dir()


def test_an_app_that_pm2_knows_has_had_its_first_release():
    first.refuse_known(pm2.NOTHING, "shop")
    with pytest.raises(PM2Error, match="PM2 knows shop already, so this is not its first release; run greenlight.rel"):
        first.refuse_known(replace(pm2.NOTHING, instances=[instance()]), "shop")
