# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first release, on a host with PM2 and nothing else."""

from __future__ import annotations

import shutil

import pytest
from git_commands import commit, git
from one_host import Site


@pytest.mark.parametrize("layout", ["in_place", "releases"])
def test_a_first_release_that_fails_leaves_nothing_and_a_good_one_can_be_followed(
    tmp_path, app, pm2, repository, layout
):
    """M5, D18: clone, migrate, start, save and judge; then a release like any other."""
    own = tmp_path / "repository"
    git(tmp_path, "clone", "--quiet", "--branch", "good", str(repository[0]), str(own))
    text = (own / "ecosystem.config.js").read_text()
    text = text.replace("process.env.PORT || '3000'", f"'{app.port}'")
    text = text.replace("${__dirname}/../data", str(app.database.parent))
    shas = {"good": commit(own, {"ecosystem.config.js": text, "make.js": "process.exit(process.env.PORT ? 0 : 1)"})}
    git(own, "checkout", "--quiet", "-b", "bad")
    shas["bad"] = commit(own, {"server.js": "throw new Error('no');\n"})
    git(own, "checkout", "--quiet", "-b", "better", "good")
    shas["better"] = commit(own, {"new.txt": "x"})
    shutil.rmtree(app.path)
    more = {"greenlight_ecosystem": "ecosystem.config.js", "greenlight_layout": layout, "greenlight_pm2_save": True}
    site = Site(tmp_path, app, pm2, (own, shas), greenlight_migrate_command=["node", "make.js"], **more)
    if layout == "releases":
        app.path.mkdir()
    pm2("ping")

    before = sorted(tmp_path.rglob("*"))
    status, output = site.play("first", "--check", "-e", "greenlight_revision=good")
    assert (status, sorted(tmp_path.rglob("*")), site.pids()) == (0, before, []), output

    status, output = site.play("first", "-e", "greenlight_revision=bad")
    assert (status, site.pids()) == (2, []), output
    assert "Nothing of it runs" in output
    assert [record["status"] for record in site.records()] == ["rolled_back"]

    status, output = site.play("first", "-e", "greenlight_revision=good")
    assert (status, site.revision()) == (0, shas["good"]), output
    assert "the old revision's response_time was not measured" in output
    assert [record["status"] for record in site.records()] == ["rolled_back", "closed_as_is"]

    status, output = site.play("first", "-e", "greenlight_revision=better")
    assert (status, "knows sample-app already" in output, site.revision()) == (2, True, shas["good"]), output

    assert app.database.is_file()
    status, output = site.deploy("better")
    assert (status, site.revision()) == (0, shas["better"]), output
    assert [record["status"] for record in site.records()] == ["rolled_back", "closed_as_is", "watching"]
