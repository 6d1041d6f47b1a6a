# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ecosystem files: read as PM2 reads them, and written so that nothing of them reaches the list of processes."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import environments
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import MissingModuleError, PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program
from ansible_collections.greenlight.release.plugins.module_utils._pm2.settings import as_pm2_takes_it

_MARK = "greenlight-ecosystem: "
# More than this is no description of an app.
_LONGEST = 4 << 20
# What `parseConfig` in PM2's lib/Common.js does: JSON is JavaScript, YAML is read with PM2's own library, and a module
# is loaded. A text that is not in the place of the file is loaded as if it were there. The file may print what it
# likes before the marked line.
_READER = r"""
const fs = require('node:fs'), vm = require('node:vm'), url = require('node:url'), path = require('node:path');
const Module = require('node:module');
const [file, pm2, elsewhere, env] = process.argv.slice(1);
const text = () => fs.readFileSync(elsewhere || file, 'utf8');
function loadAsIfThere() {
  const made = new Module(file);
  made.filename = file;
  made.paths = Module._nodeModulePaths(path.dirname(file));
  made._compile(text(), file);
  return made.exports;
}
async function load() {
  if (!elsewhere) return import(url.pathToFileURL(file));
  try {
    if (path.extname(file) !== '.mjs') return loadAsIfThere();
  } catch (error) {
    if (!(error instanceof SyntaxError) || path.extname(file) === '.cjs') throw error;
  }
  return import('data:text/javascript;base64,' + Buffer.from(text()).toString('base64'));
}
async function read() {
  const kind = path.extname(file);
  if (kind === '.json') return [vm.runInThisContext(`(${text()})`)];
  if (kind === '.yml' || kind === '.yaml') {
    const yaml = require(require.resolve('js-yaml', {paths: [fs.realpathSync(pm2)]}));
    return [yaml.load(text())];
  }
  const loaded = await load();
  // In a list, as a promise would be awaited.
  return [loaded.default || loaded];
}
read().then(([value]) => {
  if (typeof value === 'function' || typeof value?.then === 'function') {
    throw new Error('it exports a function or a promise, which PM2 does not call or await; export the object itself');
  }
  if (!value || typeof value !== 'object') throw new Error('it exports no object');
  const seen = {apps: [].concat(value.apps || value.pm2 || value), deploy: value.deploy?.[env]?.env};
  process.stdout.write('\ngreenlight-ecosystem: ' + JSON.stringify(seen) + '\n', () => process.exit(0));
}).catch((error) => {
  const isMissing = /MODULE_NOT_FOUND|UNSUPPORTED_ESM|UNSUPPORTED_RESOLVE|INVALID_URL/.test(error.code);
  const seen = {problem: `${error.name}: ${error.message}`, isMissing};
  process.stdout.write('\ngreenlight-ecosystem: ' + JSON.stringify(seen) + '\n', () => process.exit(0));
});
"""


def read_apps(
    program: Program,
    node: str,
    config: Path,
    names: Sequence[str],
    env_name: str = "",
    elsewhere: Optional[Path] = None,
) -> Dict[str, Dict[str, Any]]:
    """Return the entries of an ecosystem file for apps of these names, with the variables of their block `env_name`.

    It must have the first, and may have the others. With `elsewhere` its text lies there, and is read as if it were
    in its place. Raises PM2Error.
    """
    if not (elsewhere or config).is_file():
        raise PM2Error(f"The ecosystem file {config} does not exist; correct config")
    command = [node, "-e", _READER, "--", str(config), program.executable, str(elsewhere or ""), env_name]
    folder = next(each for each in config.parents if each.is_dir())
    try:
        apps, deploy = parse_apps(program.run_command(command, folder=folder, longest=_LONGEST))
        known = {_name_of(app, env_name) for app in apps}
        picked = {name: pick_app(apps, name, env_name) for name in names if name in known or name == names[0]}
        return {name: environments.merge(app, env_name, deploy) for name, app in picked.items()}
    except PM2Error as error:
        raise type(error)(f"The ecosystem file {config} cannot be used: {error}") from error


def parse_apps(output: str) -> Tuple[List[Dict[str, Any]], Dict[str, Any]]:
    """Read what the reader printed, behind whatever the file itself printed: the apps, and what it deploys with.

    Raises PM2Error, and MissingModuleError where the file asks for a module that is not there.
    """
    for line in output.split("\n"):
        if line.startswith(_MARK):
            seen = json.loads(line[len(_MARK) :])
            if "problem" in seen:
                raise (MissingModuleError if seen["isMissing"] else PM2Error)(seen["problem"])
            return [app for app in seen["apps"] if isinstance(app, dict)], seen.get("deploy") or {}
    raise PM2Error("it ended Node before it was read; remove process.exit from it")


def pick_app(apps: List[Dict[str, Any]], name: str, env_name: str = "") -> Dict[str, Any]:
    """Return the app of that name; PM2 names an app without one after its script. Raises PM2Error."""
    names = [_name_of(app, env_name) for app in apps]
    if names.count(name) != 1:
        described = ", ".join(names) or "nothing"
        raise PM2Error(f"it describes {described}, so {name!r} is not one app; correct name")
    return apps[names.index(name)]


def _name_of(app: Mapping[str, Any], env_name: str) -> str:
    name = str(app.get("name") or Path(str(app.get("script", ""))).stem)
    return f"{name}-{env_name}" if app.get("append_env_to_name") and env_name else name


def write(config: Config) -> str:
    """Return the text of an ecosystem file with this one app."""
    return json.dumps({"apps": [as_pm2_takes_it(config.app)]}, indent=1)


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
