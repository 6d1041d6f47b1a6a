# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._switch import variables
from pm2_fakes import listed


def test_commands_get_the_variables_of_the_app_over_its_settings_over_those_of_the_run(tmp_path):
    (tmp_path / "backend").mkdir()
    (tmp_path / ".env").write_text("A=root\nB=root\nC=root\nD=root\n")
    (tmp_path / "backend" / ".env").write_text("B=backend\nC=backend\n")
    folders = variables.settings_folders(tmp_path, "backend")
    running = [listed(env={"C": "pm2", "GREENLIGHT_REVISION": "old"})]
    found = variables.of_the_app(running, "shop", {"PATH": "/bin", "D": "run", "E": "run"}, folders, "new")
    wanted = {"A": "root", "B": "backend", "C": "pm2", "D": "root", "E": "run", "GREENLIGHT_REVISION": "new"}
    assert found == {**wanted, "PATH": "/bin"}


def test_an_app_without_settings_has_none(tmp_path):
    (tmp_path / ".env").mkdir()
    assert variables.settings_folders(tmp_path, "") == [tmp_path]
    assert variables.of_the_app([], "shop", {"PATH": "/bin"}, [tmp_path], "new") == {
        "PATH": "/bin",
        "GREENLIGHT_REVISION": "new",
    }


def test_settings_that_cannot_be_read_are_named(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("A=1")

    def refuse(_path, **_given):
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(CommandError, match=r"^The settings of the app in .*/\.env cannot be read: Permission denied"):
        variables.of_the_app([], "shop", {}, [tmp_path], "new")


def test_secrets_among_variables_are_taken_out_of_a_text():
    hide = variables.hiding({"API_TOKEN": "abcdef123", "NAME": "visible", "PWD": "/srv/app", "PORT_TOKEN": "3000"})
    assert hide("abcdef123 visible /srv/app 3000") == "******** visible /srv/app 3000"
