# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps without a database and with several, by the real playbooks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from one_host import Site
from plain_app import PlainApp


@pytest.fixture
def make(tmp_path, free_port, pm2):
    """Return a function that starts an app with so many databases, and gives its site."""

    def make(databases, **more):
        app = PlainApp(tmp_path, free_port, databases).start(pm2)
        return Site(tmp_path, app, pm2, app.repository, **{"greenlight_database_path": "", **more})

    return make


def test_an_app_without_a_database_is_released_and_rolled_back_and_nothing_of_one_is_asked(make):
    site = make(0)
    status, output = site.deploy("better", "--check")
    assert (status, "no database" in output, site.revision()) == (0, True, "good"), output
    status, output = site.deploy("better")
    assert (status, site.revision()) == (0, "better"), output
    assert "database" not in output.replace("no database", ""), output
    (record,) = site.records()
    assert (record["status"], record["facts"]["databases"]) == ("watching", [])
    assert not (site.state / "backups").exists()

    status, output = site.deploy("broken")
    assert (status, site.revision()) == (2, "better"), output
    assert "It was rolled back to" in output
    assert [record["status"] for record in site.records()] == ["watching", "rolled_back"]
    assert site.records()[-1]["facts"]["databases"] == []

    for name in ("backup", "drill"):
        status, output = site.play(name)
        assert (status, "neither greenlight_database_path nor greenlight_databases names one" in output) == (0, True)
    status, output = site.play("status")
    assert (status, "no database" in output) == (0, True), output


def test_several_databases_are_backed_up_of_one_moment_and_each_is_ruled_alone(make):
    site = make(2, greenlight_migrate_command=["node", "migrate.js"])
    paths = [str(path) for path in site.app.databases]
    given = ("-e", json.dumps({"greenlight_databases": [paths[0], {"path": paths[1], "verify": "full"}]}))
    site.app.get("/write")
    status, output = site.deploy("better", *given)
    assert (status, site.revision()) == (0, "better"), output
    (record,) = site.records()
    known = record["facts"]["databases"]
    manifests = [json.loads(Path(f"{each['backup']}.json").read_text()) for each in known]
    assert [each["path"] for each in known] == [each["source"] for each in manifests] == paths

    site.app.get("/write")
    status, output = site.deploy("split", *given)
    assert (status, site.revision()) == (2, "better"), output
    restored = [each["restored"] for each in site.records()[-1]["facts"]["databases"]]
    assert [each["restored"] for each in restored] == [False, True], output
    assert f"The database {paths[0]} was kept" in output
    assert f"The database {paths[1]} was restored, as " in output
    assert [site.app.count(0), site.app.count(1)] == [2, 2]
    assert Path(restored[1]["set_aside"]).is_dir()

    keep = json.dumps({"greenlight_backup_keep": {"last": 1}})
    status, output = site.play("backup", *given, "-e", keep)
    assert status == 0, output
    left = [json.loads(path.read_text())["source"] for path in (site.state / "backups").glob("*.json")]
    assert set(left) == set(paths), "the backups of one database push out none of the other"
    status, output = site.play("drill", *given)
    assert (status, output.count("can be restored: 2 rows")) == (0, 2), output
    gone = ("-e", json.dumps({"greenlight_databases": [paths[0], f"{paths[1]}.gone"]}))
    status, output = site.play("backup", *gone)
    assert (status, f"{paths[1]}.gone does not exist" in output) == (2, True), output
