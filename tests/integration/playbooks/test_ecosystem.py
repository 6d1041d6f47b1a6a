# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ecosystem file is a part of the release: applied, shown before, and rolled back with the code."""

from __future__ import annotations

import json

import pytest
from git_commands import commit, git
from one_host import Site

MEMORY = "--max-old-space-size=200"


@pytest.fixture
def site(tmp_path, running, pm2, repository):
    """A host that runs the sample app, and a repository with revisions that change its ecosystem file."""
    own = tmp_path / "repository"
    git(tmp_path, "clone", "--quiet", "--branch", "good", str(repository[0]), str(own))
    text = (own / "ecosystem.config.js").read_text()
    git(own, "checkout", "--quiet", "-b", "moved")
    git(own, "mv", "server.js", "main.js")
    text = text.replace("'server.js'", "'main.js'").replace("'30'", "'60'")
    text = text.replace("kill_timeout: 5000,", f"kill_timeout: 5000, node_args: '{MEMORY}',")
    moved = text.replace("    env: {", "    env_live: {SECRET_WORD: 'swordfish'},\n    env: {\n      FEATURE: 'on',")
    shas = {"good": repository[1]["good"], "moved": commit(own, {"ecosystem.config.js": moved})}
    git(own, "checkout", "--quiet", "-b", "crashes")
    changed = moved.replace("'on'", "'off'").replace(MEMORY, "--max-old-space-size=300")
    shas["crashes"] = commit(own, {"ecosystem.config.js": changed, "main.js": "throw new Error('no');\n"})
    described = {"greenlight_ecosystem": "ecosystem.config.js", "greenlight_ecosystem_env": "live"}
    return Site(tmp_path, running, pm2, (own, shas), **described)


def settings(site):
    """Return what the process runs with: its script, the arguments of Node, and variables."""
    (kept,) = [process["pm2_env"] for process in site.pm2.processes()]
    names = ("FEATURE", "SECRET_WORD", "CACHE_TTL_SECONDS", "PORT")
    return kept["pm_exec_path"].rpartition("/")[2], kept["node_args"], [kept["env"].get(name) for name in names]


def test_the_ecosystem_file_is_applied_with_the_code_and_rolled_back_with_it(site):
    before = ("server.js", [], [None, None, "30", str(site.app.port)])
    after = ("main.js", [MEMORY], ["on", "swordfish", "60", str(site.app.port)])
    assert settings(site) == before

    status, output = site.deploy("moved", "--check", "--diff")
    assert (status, settings(site)) == (0, before), output
    for shown in ("env.FEATURE", "env.SECRET_WORD", "env.CACHE_TTL_SECONDS", MEMORY, "main.js", "would change"):
        assert shown in output
    assert "swordfish" not in output

    status, output = site.deploy("moved")
    assert (status, settings(site), site.revision()) == (0, after, site.shas["moved"]), output

    status, output = site.deploy("crashes")
    assert (status, settings(site), site.revision()) == (2, after, site.shas["moved"]), output
    first, second = site.records()
    assert (first["status"], second["status"]) == ("watching", "rolled_back")

    status, output = site.play("rollback", "-e", f"greenlight_rollback_release={first['id']}")
    assert (status, settings(site), site.revision()) == (0, before, site.shas["good"]), output
    assert "swordfish" not in json.dumps(site.records()) + output
