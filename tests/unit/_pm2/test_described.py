# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import described, ecosystem
from ansible_collections.greenlight.release.plugins.module_utils._pm2.described import EcosystemFile, read_configs
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program

PLACE = Path("/srv/shop/ecosystem.config.js")


@pytest.fixture
def asked(host, tmp_path, monkeypatch):
    """A host with a node, and what the reader of the file is asked."""
    (tmp_path / "pm2").touch(mode=0o755)
    (tmp_path / "node").touch(mode=0o755)
    calls = []
    entries = {"shop": {"script": "s.js", "env": {"A": 1}}, "worker": {"script": "w.js"}}
    monkeypatch.setattr(ecosystem, "read_apps", lambda *given: calls.append(given) or entries)
    program = Program(str(tmp_path / "pm2"), {"PATH": str(tmp_path)}, 5)
    return dataclasses.replace(host(None), program=lambda: program), calls


def test_what_is_given_beside_the_file_is_for_the_first_of_the_processes(asked):
    host, calls = asked
    file = EcosystemFile(PLACE, "production", Path("/t/copy"), (Path("/new/node_modules"),), {"HAND": "1"})
    found = read_configs(host, file, "shop", ["worker"], {"env": {"B": "2"}}, 4)
    program, _node, place, names, env_name, elsewhere = calls[0]
    assert (place, names, env_name, elsewhere) == (PLACE, ("shop", "worker"), "production", Path("/t/copy"))
    assert program.environment.items() >= {"NODE_PATH": "/new/node_modules", "HAND": "1", "B": "2"}.items()
    assert (found["shop"].env, found["shop"].own, found["shop"].env_name) == ({"A": "1", "B": "2"}, {"B"}, "production")
    assert (found["worker"].env, found["worker"].own) == ({}, frozenset())
    assert found["worker"].kept["pm_exec_path"] == "/srv/shop/w.js"


def test_nothing_more_is_searched_where_nothing_is_said(asked):
    host, calls = asked
    read_configs(host, EcosystemFile(PLACE), "shop", [], {}, 4)
    assert (calls[0][0].environment.keys(), calls[0][4]) == ({"PATH"}, "")


def test_a_host_without_node_is_told_what_to_do(asked, monkeypatch):
    monkeypatch.setattr(described.shutil, "which", lambda *_given, **_more: None)
    with pytest.raises(PM2Error, match="node was not found next to"):
        read_configs(asked[0], EcosystemFile(PLACE), "shop", [], {}, 4)
