# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of apps that are more than one process, and of one that serves nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from git_commands import commit, git
from machine import App, wait_for
from one_host import Site

# Listens on a unix socket, and removes it when it ends.
ON_A_SOCKET = """
const server = require('net').createServer(() => {}).listen(process.env.SOCKET);
process.on('SIGINT', () => server.close(() => process.exit()));
"""
# Appends its pid to a file, and ends.
SAYS = "require('fs').appendFileSync(process.env.SAID, `${process.pid}\\n`); process.exit()"


# Has the database of the app open, but for a moment of each second.
READS = """
const { DatabaseSync } = require("node:sqlite");
const read = () => {
  const database = new DatabaseSync(process.env.DATABASE_PATH);
  database.prepare("SELECT count(*) FROM items").get();
  setTimeout(() => { database.close(); setTimeout(read, 500); }, 500);
};
read();
"""


def statuses(pm2):
    return {each["name"]: each["pm2_env"]["status"] for each in pm2.processes()}


def pids(pm2):
    return {each["name"]: each["pid"] for each in pm2.processes()}


def test_all_processes_of_an_app_are_released_and_rolled_back_with_it(tmp_path, app, pm2, repository):
    app.check_out("good")
    pm2("start", app.path / "ecosystem.config.js", env=app.env)
    wait_for(app.answers, "the first answer of the sample app")
    socket, said = tmp_path / "gateway.sock", tmp_path / "said"
    env = {**app.env, "SOCKET": str(socket), "SAID": str(said)}
    (tmp_path / "gateway.js").write_text(ON_A_SOCKET)
    (tmp_path / "job.js").write_text(SAYS)
    (tmp_path / "reader.js").write_text(READS)
    pm2("start", tmp_path / "reader.js", "--name", "reader", env=env)
    pm2("start", tmp_path / "gateway.js", "--name", "gateway", env=env)
    pm2("start", tmp_path / "job.js", "--name", "nightly", "--no-autorestart", "--cron-restart", "0 0 1 1 *", env=env)
    wait_for(lambda: socket.exists() and statuses(pm2)["nightly"] == "stopped", "a gateway, and a job that ended")
    listed = [
        {"name": "gateway", "role": "serves", "socket": str(socket)},
        {"name": "nightly", "role": "runs"},
    ]
    # The app that is asked comes first among those that serve.
    listed.insert(0, {"name": "sample-app", "role": "serves", "ports": [app.port]})
    site = Site(tmp_path, app, pm2, repository, greenlight_processes=listed, greenlight_port=0)
    before = pids(pm2)
    status, output = site.deploy("better")
    assert (status, site.revision()) == (0, site.shas["better"]), output
    released = pids(pm2)
    assert {name: released[name] != before[name] for name in released} == {
        "sample-app": True,
        "gateway": True,
        "nightly": False,
        "reader": True,
    }
    assert "reader has the database open; it is stopped and started with the release" in output
    reader = {"name": "reader", "role": "works"}
    assert [record["facts"]["processes"] for record in site.records()] == [[*listed, reader]]
    pm2("delete", "nightly")
    status, output = site.play("rollback")
    assert (status, site.revision()) == (0, site.shas["good"]), output
    assert "did not restart nightly" in output
    assert (statuses(pm2), pids(pm2)["gateway"] != released["gateway"]) == (
        {"sample-app": "online", "gateway": "online", "reader": "online"},
        True,
    )
    assert len(said.read_text().splitlines()) == 1, "the job was started off schedule"


BOT = """
const { DatabaseSync } = require("node:sqlite");
const database = new DatabaseSync(process.env.DATABASE_PATH);
// Whoever reads the database, such as a backup, locks it for a moment.
database.exec("PRAGMA busy_timeout = 5000");
database.exec("CREATE TABLE IF NOT EXISTS turns (id INTEGER PRIMARY KEY)");
setInterval(() => database.prepare("INSERT INTO turns VALUES (NULL)").run(), 50);
console.log("RUNS %s");
"""
FAILS = "setTimeout(() => console.error('FATAL: no such guild'), 300);"


def test_a_bot_that_serves_nothing_is_released_and_judged_by_its_process_and_its_log(tmp_path, pm2):
    origin, path, database = tmp_path / "origin", tmp_path / "app", tmp_path / "data" / "bot.db"
    for folder in (origin, database.parent):
        folder.mkdir()
    git(origin, "init", "--quiet")
    shas = {"v1": commit(origin, {"bot.js": BOT % "v1"})}
    git(tmp_path, "clone", "--quiet", str(origin), str(path))
    shas["v2"] = commit(origin, {"bot.js": BOT % "v2"})
    shas["v3"] = commit(
        origin, {"bot.js": BOT % "v3" + "setTimeout(() => console.error('FATAL: no such guild'), 300);"}
    )
    pm2("start", path / "bot.js", "--name", "bot", env={"DATABASE_PATH": str(database)})
    wait_for(database.exists, "the database of the bot")
    bot = SimpleNamespace(path=path, database=database, url="", port=0)
    listed = [{"name": "bot", "role": "works"}]
    site = Site(tmp_path, bot, pm2, (origin, shas), greenlight_processes=listed, greenlight_health_url="")
    status, output = site.deploy(shas["v2"])
    assert (status, git(path, "rev-parse", "HEAD")) == (0, shas["v2"]), output
    assert site.records()[0]["status"] == "watching"
    status, output = site.deploy(shas["v3"])
    assert (status, git(path, "rev-parse", "HEAD")) == (2, shas["v2"]), output
    assert "critical_errors" in output
    assert statuses(pm2) == {"bot": "online"}
    log = Path(pm2.processes()[0]["pm2_env"]["pm_out_log_path"]).read_text()
    assert log.split() == ["RUNS", "v1", "RUNS", "v2", "RUNS", "v3", "RUNS", "v2"]


def test_two_apps_in_one_checkout_each_get_their_release(tmp_path, running, pm2, repository, free_port):
    """The release of the first one moves the code of both, and only the first one runs it then."""
    database = tmp_path / "second" / "app.db"
    database.parent.mkdir()
    env = {"PORT": str(free_port + 1), "DATABASE_PATH": str(database)}
    pm2("start", running.path / "server.js", "--name", "second", env=env)
    second = App.__new__(App)
    second.__dict__.update(running.__dict__, port=free_port + 1, database=database)
    second.url = f"http://127.0.0.1:{second.port}"
    wait_for(second.answers, "the first answer of the second app")
    site = Site(tmp_path, running, pm2, repository)
    other = Site(database.parent, second, pm2, repository, greenlight_app_name="second")
    status, output = site.deploy("better")
    assert (status, site.revision(), other.revision()) == (0, site.shas["better"], site.shas["good"]), output
    status, output = other.deploy("better")
    assert (status, other.revision()) == (0, site.shas["better"]), output
    assert "the code was moved without a restart of the app" in output
    (record,) = other.records()
    assert (record["from_revision"], record["to_revision"]) == (site.shas["good"], site.shas["better"])
    pm2("stop", "second")
    status, output = other.deploy("better", "-e", "greenlight_allow_unhealthy_baseline=true")
    assert (status, other.revision()) == (0, site.shas["better"]), output
    assert "No process of the app runs" in output
