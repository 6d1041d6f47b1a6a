# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file of an app in a folder, installed by the real npm, yarn, pnpm and bun, which need no network for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import build_plan
from git_commands import commit, git
from machine import CHECKOUT, call_module, wait_for
from small_app import SmallApp

RELEASE, LATER = "20260219T020000Z-0639294c", "20260220T020000Z-0639294d"
CACHE = CHECKOUT / ".cache"
# How each makes its lock file without installing anything from elsewhere.
LOCKS = {
    "npm": ("package-lock.json", ["install", "--package-lock-only", "--offline", "--ignore-scripts"]),
    "yarn": ("yarn.lock", ["install", "--offline", "--ignore-scripts"]),
    "pnpm": ("pnpm-lock.yaml", ["install", "--lockfile-only", "--offline", "--ignore-scripts"]),
    "bun": ("bun.lock", ["install", "--lockfile-only", "--ignore-scripts"]),
}
# What each says of a lock file that does not fit.
STALE = {
    "npm": "npm ci",
    "yarn": "Your lockfile needs to be updated, but yarn was run with `--frozen-lockfile`",
    "pnpm": "ERR_PNPM_OUTDATED_LOCKFILE",
    "bun": "lockfile had changes, but lockfile is frozen",
}
TELL = """
const fs = require('fs');
const told = ['CI', 'GREENLIGHT_REVISION', 'FROM_PM2', 'npm_config_user_agent'].map((name) => process.env[name]);
fs.writeFileSync('node_modules/told.json', JSON.stringify([process.cwd(), process.execPath, ...told]));
console.log('told');
"""
PACKAGE = {"name": "shop", "version": "1.0.0", "scripts": {"postinstall": "node tell.js"}}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with the package managers and the Node of the app, as it would be first in its PATH."""
    folder = tmp_path_factory.mktemp("bin")
    managers = CACHE / "managers" / "node_modules"
    bun = next((managers / "@oven").glob("*/bin/bun"))
    for name, target in (("yarn", managers / ".bin" / "yarn"), ("pnpm", managers / ".bin" / "pnpm"), ("bun", bun)):
        (folder / name).symlink_to(target.resolve())
    (folder / "npm").symlink_to((CACHE / "bin" / "npm").resolve())
    # Beside npm, as it is installed everywhere: the folder of the app's own Node comes first.
    shutil.copy2((CACHE / "bin" / "node").resolve(), folder / "node")
    return folder


class Shop:
    """An app in the folder backend of a checkout, that PM2 runs, and a commit that has another lock file."""

    def __init__(self, folder, manager, programs):
        self.manager, self.origin, self.path = manager, folder / "origin", folder / "app"
        self.home = folder / "home"
        self.home.mkdir()
        self.path_of_app = f"{programs}:{os.environ['PATH']}"
        git(folder, "init", "--quiet", "--initial-branch=main", self.origin)
        commit(
            self.origin,
            {"backend/package.json": json.dumps(PACKAGE), "backend/tell.js": TELL, ".gitignore": "node_modules\n"},
        )
        git(folder, "clone", "--quiet", f"file://{self.origin}", self.path)

    def change(self):
        """Depend on a package of the repository, and write the lock file."""
        self.need("dep", "2.0.0")
        self.lock()
        return commit(self.origin, {})

    def need(self, name, version):
        """Depend on a further package of the repository, and leave the lock file as it was."""
        backend = self.origin / "backend"
        needs = json.loads((backend / "package.json").read_text())
        needs["dependencies"] = {**needs.get("dependencies", {}), name: f"file:./{name}"}
        files = {f"{name}/package.json": {"name": name, "version": version}, "package.json": needs}
        return commit(self.origin, {f"backend/{path}": json.dumps(content) for path, content in files.items()})

    def lock(self):
        environment = {**os.environ, "PATH": self.path_of_app, "HOME": str(self.home)}
        words = [self.manager, *LOCKS[self.manager][1]]
        done = subprocess.run(
            words, cwd=self.origin / "backend", env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def build(self, sha, pm2, release=RELEASE):
        where = {"path": str(self.path), "sha": sha}
        fetched = call_module("git_revision", {"state": "fetched", "repository": f"file://{self.origin}", **where})
        tree = build_plan.tree_of(
            {"lock_files": fetched["lock_files"], "subfolder": "backend"}, fetched["changed_paths"]
        )
        planned = build_plan.plan_changes(
            fetched["changed_paths"],
            [],
            "shop",
            tree,
            ["node_modules"],
            install_command=["auto"],
            install_when_changed=[LOCKS[self.manager][0]],
            build_command=[],
            build_when_changed=[],
            migrate_command=[],
        )
        given = {"release_id": release, **where}
        built = {name: planned[name] for name in ("built_paths", "built_anew")}
        assert call_module("release_tree", {"state": "staged", **built, **given}).get("msg") is None
        more = {"state_path": str(self.path.parent / "state"), "process_name": "shop", "subfolder": "backend"}
        done = call_module("release_build", {"commands": planned["build"], **more, **given, **pm2.arguments()})
        return planned, done, self.path / ".git" / "greenlight" / release / "new" / "backend"


@pytest.fixture(params=sorted(LOCKS))
def shop(tmp_path, request, programs, shared_pm2, free_port):
    made = Shop(tmp_path, request.param, programs)
    app = SmallApp(made.path / "backend", free_port)
    env = {"PORT": str(free_port), "FROM_PM2": "yes", "PATH": made.path_of_app, "HOME": str(made.home)}
    shared_pm2("start", app.folder / "server.js", "--name", "shop", env=env)
    wait_for(shared_pm2.processes, "the shop")
    git(made.path, "clean", "--quiet", "-fd")
    return made


def test_a_lock_file_is_installed_by_its_program_in_its_folder_as_the_app_would(shop, shared_pm2, programs):
    """One that does not fit is refused, in the words of the program."""
    sha = shop.change()
    # Packages of the old revision are no part of the new one.
    (shop.path / "backend" / "node_modules" / "old").mkdir(parents=True)
    planned, done, backend = shop.build(sha, shared_pm2)
    assert done.get("msg") is None, done["msg"]
    assert [command["words"][0] for command in planned["build"]] == [shop.manager]
    assert json.loads((backend / "node_modules" / "dep" / "package.json").read_text())["version"] == "2.0.0"
    assert not (backend / "node_modules" / "old").exists()
    where, node, *told, agent = json.loads((backend / "node_modules" / "told.json").read_text())
    assert (Path(where).name, ".git" in Path(where).parts) == ("backend", False)
    assert node == str(programs / "node")
    assert (told, agent.split("/")[0]) == (["true", sha, "yes"], shop.manager)
    kept = Path(done["output"])
    assert f"$ {' '.join(planned['build'][0]['words'])}\n" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600

    sha = shop.need("other", "1.0.0")
    _planned, done, backend = shop.build(sha, shared_pm2, LATER)
    assert "ended with status" in done["msg"], done
    kept = kept.with_name(f"{LATER}.log")
    assert STALE[shop.manager] in kept.read_text()
    assert f"(all of it is in {kept})" in done["msg"]
    assert not (backend / "node_modules" / "other").exists()
