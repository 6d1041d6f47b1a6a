# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps of many shapes, as people start them by hand: their repositories are the folders in apps/."""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from git_commands import commit, git
from machine import CHECKOUT, interpreter, play, wait_for

APPS = Path(__file__).parent / "apps"
MODULES = CHECKOUT / ".cache" / "apps" / "node_modules"
OLD, NEW = "VERSION = 1", "VERSION = 2"


@dataclass(frozen=True)
class Shape:
    """How an app is laid out and started.

    `source` is the file that has the version, `start` what pm2 is told in the folder `where` after `before` has run
    there, `health` what tells the version. `beside` are files that git does not have, with `{port}` in them. `bad` is
    what a bad revision has in place of the version, and `written` some of the variables that init writes. A deploy is
    `given` more.
    """

    name: str
    source: str
    start: tuple
    health: str = "/health"
    where: str = ""
    before: tuple = ()
    beside: dict = field(default_factory=dict)
    bad: str = "VERSION = revision"
    env: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    over_socket: bool = False
    written: dict = field(default_factory=dict)
    given: dict = field(default_factory=dict)


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


MONOREPO = Shape(
    "monorepo",
    "backend/server.js",
    ("start", "server.js", "--name", "cctv-backend"),
    where="backend",
    beside={"backend/.env": "PORT={port}\n"},
    bad="VERSION = 3;\nsetInterval(() => log('error', 'TypeError: cameras is not iterable'), 50)",
)
NPM_START = Shape("npm-start", "src/index.js", ("start", "npm", "--name", "shop", "--", "start"), health="/healthz")
# The app's own times go before shorter ones of the role.
CLUSTER = Shape(
    "cluster",
    "server.js",
    ("start", "ecosystem.config.cjs"),
    given={"greenlight_start_timeout": 1, "greenlight_stop_timeout": 1},
)
TYPESCRIPT = Shape(
    "typescript", "src/server.ts", ("start", "dist/server.js", "--name", "quotes"), before=("npm", "run", "build")
)
STANDALONE = Shape(
    "standalone",
    "app/server.js",
    ("start", ".next/standalone/server.js", "--name", "site"),
    health="/api/health",
    before=("npm", "run", "build"),
    written={"greenlight_built_paths": ["node_modules", ".next"]},
    env={"HOSTNAME": "127.0.0.1", "HEALTH_PASSWORD": "correct horse"},
    headers=basic("probe", "correct horse"),
)
WORKERS = Shape(
    "workers",
    "database.js",
    ("start", "ecosystem.config.js"),
    written={
        "greenlight_app_name": "jobs-api",
        "greenlight_processes": [
            {"name": "jobs-api", "role": "serves", "ports": ["PORT"]},
            {"name": "jobs-worker", "role": "works"},
            {"name": "jobs-nightly", "role": "runs"},
        ],
    },
)
NO_LOG = ("--output", "/dev/null", "--error", "/dev/null")
SOCKET = Shape(
    "socket", "server.js", ("start", "server.js", "--name", "gateway", *NO_LOG), health="/healthz", over_socket=True
)
SHAPES = (MONOREPO, NPM_START, CLUSTER, TYPESCRIPT, STANDALONE, WORKERS, SOCKET)


class Running:
    """An app of a shape that runs under PM2, and the playbooks that are run for it."""

    def __init__(self, shape, folder, pm2, port):
        self.shape, self.folder, self.pm2, self.port = shape, folder, pm2, port
        self.origin, self.path, self.state = folder / "origin", folder / "app", folder / "state"
        shutil.copytree(APPS / shape.name, self.origin)
        git(self.origin, "init", "--quiet", "--initial-branch=main")
        commit(self.origin, {})
        git(folder, "clone", "--quiet", str(self.origin), str(self.path))
        # Node finds the packages in any folder above the checkout.
        (folder / "node_modules").symlink_to(MODULES)
        (folder / "data").mkdir()
        self.inventory = folder / "site" / "hosts.json"
        self.inventory.parent.mkdir()
        here = {"ansible_connection": "local", "ansible_python_interpreter": interpreter()}
        self.inventory.write_text(json.dumps({"all": {"hosts": {"here": here}}}))
        # The path of a socket may only be short.
        self.socket = pm2.home.parent / f"{shape.name}.sock"
        self.variables = self.inventory.parent / "group_vars" / "all" / "greenlight.yml"

    def start(self):
        where = self.path / self.shape.where
        for name, text in self.shape.beside.items():
            (self.path / name).write_text(text.format(port=self.port))
        places = {"DATABASE_PATH": str(self.folder / "data" / "app.db"), "SOCKET_PATH": str(self.socket)}
        variables = {"PORT": str(self.port), **places, **self.shape.env}
        if self.shape.before:
            subprocess.run(self.shape.before, cwd=where, env={**os.environ, **variables}, check=True)
        self.pm2(*self.shape.start, where=where, env=variables)
        wait_for(self.version, "the first answer of the app")

    def version(self):
        """Ask the app as its users do, over its port or as nginx does over its socket."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            if self.shape.over_socket:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(str(self.socket))
            connection.request("GET", self.shape.health, headers=self.shape.headers)
            return json.load(connection.getresponse())["version"]
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def change(self, old, new):
        """Commit a new revision to the repository, and return its SHA."""
        text = (self.origin / self.shape.source).read_text()
        assert old in text
        return commit(self.origin, {self.shape.source: text.replace(old, new)})

    def init(self):
        """Run init, which is told where this machine keeps PM2, and what a person knows."""
        given = {
            "greenlight_pm2_home": str(self.pm2.home),
            "greenlight_pm2_executable": str(self.pm2.executable),
            "greenlight_state_path": str(self.state),
            "greenlight_health_headers": self.shape.headers,
        }
        return play("-i", self.inventory, "greenlight.release.init", "-e", json.dumps(given))

    def unwritten(self):
        """Return which of the variables that the shape expects init has not written."""
        found = yaml.safe_load(self.variables.read_text().replace(f"[{self.port}]", "[PORT]"))
        return {name: found.get(name) for name, value in self.shape.written.items() if found.get(name) != value}

    def deploy(self, *words):
        """Deploy in the short time that a test may take; how fast this machine is says nothing of a revision."""
        quick = dict.fromkeys(
            ("greenlight_stable_seconds", "greenlight_warm_up_seconds", "greenlight_measure_seconds"), 1
        )
        patches = {"response_time": {"rollback_if": None}}
        more = {"greenlight_decision_matrix_patches": patches, "greenlight_health_headers": self.shape.headers}
        given = {**quick, **more, "greenlight_health_deadline": 10, **self.shape.given}
        return play("-i", self.inventory, "greenlight.release.deploy", "-e", json.dumps(given), *words)

    def records(self):
        return [json.loads(path.read_text()) for path in sorted((self.state / "releases").glob("*.json"))]
