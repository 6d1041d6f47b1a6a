# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ecosystem files: read as PM2 reads them, and written so that nothing of them reaches the list of processes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program

_MARK = "greenlight-ecosystem: "
# What `parseConfig` in PM2's lib/Common.js does: JSON is JavaScript, YAML is read with PM2's own library, and a module
# is loaded. The file may print what it likes before the marked line.
_READER = r"""
const fs = require('node:fs'), vm = require('node:vm'), url = require('node:url'), path = require('node:path');
const [file, pm2] = process.argv.slice(1);
async function read() {
  const kind = path.extname(file);
  if (kind === '.json') return vm.runInThisContext(`(${fs.readFileSync(file, 'utf8')})`);
  if (kind === '.yml' || kind === '.yaml') {
    const yaml = require(require.resolve('js-yaml', {paths: [fs.realpathSync(pm2)]}));
    return yaml.load(fs.readFileSync(file, 'utf8'));
  }
  const loaded = await import(url.pathToFileURL(file));
  return loaded.default || loaded;
}
read().then((value) => {
  const apps = [].concat(value.apps || value.pm2 || value);
  process.stdout.write('\ngreenlight-ecosystem: ' + JSON.stringify(apps) + '\n', () => process.exit(0));
}).catch((error) => {
  process.stdout.write(`\n${error.name}: ${error.message}\n`, () => process.exit(1));
});
"""


def read_app(program: Program, node: str, config: Path, name: str) -> Dict[str, Any]:
    """Return the entry of an ecosystem file for an app of that name. Raises PM2Error."""
    if not config.is_file():
        raise PM2Error(f"The ecosystem file {config} does not exist; correct config")
    command = [node, "-e", _READER, "--", str(config), program.executable]
    try:
        output = program.run_command(command, folder=config.parent)
    except PM2Error as error:
        raise PM2Error(f"The ecosystem file {config} cannot be read: {error}") from error
    return pick_app(parse_apps(output), name, config)


def parse_apps(output: str) -> List[Dict[str, Any]]:
    """Read what the reader printed, behind whatever the file itself printed. Raises PM2Error."""
    for line in output.split("\n"):
        if line.startswith(_MARK):
            apps = json.loads(line[len(_MARK) :])
            return [app for app in apps if isinstance(app, dict)]
    raise PM2Error("The ecosystem file ended Node before it was read; remove process.exit from it")


def pick_app(apps: List[Dict[str, Any]], name: str, config: Path) -> Dict[str, Any]:
    """Return the app of that name; PM2 names an app without one after its script. Raises PM2Error."""
    names = [str(app.get("name") or Path(str(app.get("script", ""))).stem) for app in apps]
    if names.count(name) != 1:
        described = ", ".join(names) or "nothing"
        raise PM2Error(f"The ecosystem file {config} describes {described}, so {name!r} is not one app; correct name")
    return apps[names.index(name)]


def write(config: Config) -> str:
    """Return the text of an ecosystem file with this one app."""
    return json.dumps({"apps": [config.app]}, indent=1)


def start(program: Program, app_text: str, folder: Path) -> None:
    """Start an app with the pm2 program from an ecosystem file that only this user can read. Raises PM2Error."""
    with tempfile.TemporaryDirectory(prefix="greenlight-") as private:
        file = Path(private) / "app.json"
        file.touch(mode=0o600)
        file.write_text(app_text, encoding="utf-8")
        program.run("start", str(file), "--silent", folder=folder)


def with_variables(program: Program, env: Mapping[str, str]) -> Program:
    """Return the program with more variables, for an ecosystem file that asks for them."""
    return Program(program.executable, {**program.environment, **env}, program.timeout, program.idle)
