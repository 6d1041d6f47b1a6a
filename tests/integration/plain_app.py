# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small app with as many SQLite databases as a test gives it, none included, and its repository."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import urllib.request

from git_commands import git
from machine import wait_for

SERVER = """
'use strict';
const http = require('node:http'), {DatabaseSync} = require('node:sqlite');
@BEGIN@
const paths = [process.env.DB_0, process.env.DB_1].filter(Boolean);
const opened = paths.map((path) => new DatabaseSync(path));
for (const each of opened) each.exec('PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (x)');
http.createServer((request, response) => {
  if (request.url === '/write') for (const each of opened) each.exec('INSERT INTO t VALUES (1)');
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({status: 'ok', revision: '@NAME@'}));
}).listen(Number(process.env.PORT), '127.0.0.1');
process.on('SIGINT', () => process.exit(0));
"""
MIGRATE = """
const {DatabaseSync} = require('node:sqlite');
for (const path of @PATHS@) new DatabaseSync(path).exec('ALTER TABLE t RENAME TO u');
"""
# Each revision with what its server does first, and which databases its migration changes.
REVISIONS = {
    "good": ("", "[]"),
    "better": ("", "[]"),
    "broken": ("throw new Error('it has no settings');", "[]"),
    "split": ("throw new Error('it has no settings');", "[process.env.DB_1]"),
}


class PlainApp:
    """The app's checkout, its databases, and its address; `database` is no database of it."""

    def __init__(self, folder, port, databases=0):
        self.path, self.port = folder / "app", port
        self.database = folder / "no.db"
        self.url = f"http://127.0.0.1:{port}"
        # Of the same name in different folders, and so are their backups in one.
        self.databases = [folder / f"data{number}" / "app.db" for number in range(databases)]
        for each in self.databases:
            each.parent.mkdir()
        given = {f"DB_{number}": str(path) for number, path in enumerate(self.databases)}
        self.env = {"PORT": str(port), **given}
        self.repository = self._make_repository(folder / "origin")

    def _make_repository(self, folder):
        git(folder.parent, "init", "--quiet", "--initial-branch", "good", str(folder))
        shas = {}
        for name, (begin, paths) in REVISIONS.items():
            git(folder, "checkout", "--quiet", "-B", name)
            (folder / "server.js").write_text(SERVER.replace("@BEGIN@", begin).replace("@NAME@", name))
            (folder / "migrate.js").write_text(MIGRATE.replace("@PATHS@", paths))
            git(folder, "add", ".")
            git(folder, "commit", "--quiet", "--message", name)
            shas[name] = git(folder, "rev-parse", "HEAD")
        git(folder.parent, "clone", "--quiet", "--branch", "good", str(folder), str(self.path))
        return folder, shas

    def start(self, pm2):
        pm2("start", self.path / "server.js", "--name", "sample-app", env=self.env, where=self.path)
        wait_for(self.answers, "the first answer of the app")
        return self

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def answers(self):
        try:
            return self.get("/health")
        except OSError:
            return None

    def count(self, number, table="t"):
        with contextlib.closing(sqlite3.connect(self.databases[number], timeout=10)) as opened:
            return opened.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
