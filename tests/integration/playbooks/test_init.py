# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app as people run it, started by hand: its variables are written by init, and it is released without an edit."""

from __future__ import annotations

import json
import sys
import urllib.request

import pytest
import yaml
from git_commands import commit, git
from machine import play, wait_for

SERVER = """
'use strict';
const http = require('node:http'), path = require('node:path');
const {DatabaseSync} = require('node:sqlite');
process.loadEnvFile(path.join(__dirname, '.env'));
const database = new DatabaseSync(path.join(__dirname, 'data', 'cctv.db'));
database.exec('CREATE TABLE IF NOT EXISTS cameras (id INTEGER PRIMARY KEY)');
const answers = {'/health': {status: 'ok', version: 1}, '/api/cache/stats': {data: {hitRate: '95%'}}};
const server = http.createServer((request, response) => {
  response.statusCode = answers[request.url] ? 200 : 404;
  response.end(JSON.stringify(answers[request.url] || {}));
});
server.listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGINT', () => { database.close(); server.close(() => process.exit(0)); });
"""
LOCK = {
    "name": "cctv",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "packages": {"": {"name": "cctv", "version": "1.0.0"}},
}


class Cctv:
    """The checkout of the runbook, and its process as `pm2 start server.js` makes it."""

    def __init__(self, folder, pm2, port):
        self.origin, self.path, self.pm2, self.port = folder / "origin", folder / "cctv", pm2, port
        self.origin.mkdir()
        git(self.origin, "init", "--quiet", "--initial-branch=main")
        files = {".gitignore": "data\n.env\nnode_modules\n", "backend/server.js": SERVER}
        commit(self.origin, {**files, "backend/package-lock.json": json.dumps(LOCK)})
        git(folder, "clone", "--quiet", str(self.origin), str(self.path))
        backend = self.path / "backend"
        (backend / "data").mkdir()
        (backend / ".env").write_text(f"PORT={port}\n")
        pm2("start", "server.js", "--name", "cctv-backend", where=backend)
        wait_for(self.version, "the first answer of the app")

    def version(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as answer:
                return json.load(answer)["version"]
        except OSError:
            return None


@pytest.fixture
def cctv(tmp_path, pm2, free_port):
    return Cctv(tmp_path, pm2, free_port)


def test_an_app_that_was_started_by_hand_is_released_with_the_variables_of_init(cctv, pm2, tmp_path):
    inventory = tmp_path / "site" / "hosts.json"
    inventory.parent.mkdir()
    of_the_test = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    inventory.write_text(json.dumps({"all": {"hosts": {"here": of_the_test}}}))
    # Where this machine keeps PM2, and how long a test may take.
    given = {
        "greenlight_pm2_home": str(pm2.home),
        "greenlight_pm2_executable": str(pm2.executable),
        "greenlight_state_path": str(tmp_path / "state"),
    }
    words = ("-i", inventory, "greenlight.release.init", "-e", json.dumps(given))
    status, output = play(*words)
    assert status == 0, output
    written = inventory.parent / "group_vars" / "all" / "greenlight.yml"
    found = yaml.safe_load(written.read_text())
    assert (found["greenlight_app_subfolder"], found["greenlight_port"]) == ("backend", cctv.port)
    assert found["greenlight_database_path"] == str(cctv.path / "backend" / "data" / "cctv.db")
    assert found["greenlight_cache_stats_url"].endswith("/api/cache/stats")
    before = written.read_text()
    status, output = play(*words)
    assert (status, "is there already and was left as it is" in output, written.read_text()) == (2, True, before), (
        output
    )

    sha = commit(cctv.origin, {"backend/server.js": SERVER.replace("version: 1", "version: 2")})
    quick = dict.fromkeys(("greenlight_stable_seconds", "greenlight_warm_up_seconds", "greenlight_measure_seconds"), 1)
    deploy = ("-i", inventory, "greenlight.release.deploy", "-e", json.dumps(quick))
    status, output = play(*deploy, "--check", "--diff")
    assert (status, sha in output, cctv.version()) == (0, True, 1), output
    status, output = play(*deploy)
    assert (status, cctv.version()) == (0, 2), output
