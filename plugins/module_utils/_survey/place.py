# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an app that runs lies in its repository, what builds it, and the ecosystem file that describes it."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Run
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._survey.look import SurveyError
from ansible_collections.greenlight.release.plugins.module_utils._values import lock_files

# What builds usually make, beside the folder that the process is seen to run from.
_USUAL = ("dist", "build", ".next", ".output", "out")
_ECOSYSTEMS = [f"ecosystem{middle}.{end}" for middle in (".config", "") for end in ("js", "cjs", "mjs", "json")]
_ECOSYSTEMS += ["ecosystem.config.yml", "ecosystem.config.yaml", "ecosystem.yml", "ecosystem.yaml"]
_ECOSYSTEMS += ["pm2.config.js", "pm2.config.cjs", "pm2.json", "pm2.yml", "pm2.yaml", "processes.json", "process.json"]
_RUN = {"npm": ["npm", "run", "build"], "bun": ["bun", "run", "build"]}


@dataclass(frozen=True)
class AppPlace:
    """A checkout: git in it, its folder, and that of the app in it, empty for the checkout itself."""

    run: Run
    path: Path
    subfolder: str = ""

    def knows(self, path: str) -> bool:
        """Say whether a path in the checkout is a part of its revision."""
        return self.run(["ls-files", "--error-unmatch", "--", path]).code == 0

    def ignores(self, path: str) -> bool:
        return self.run(["check-ignore", "--quiet", "--", path]).code == 0

    def inside(self, path: Path) -> str:
        """Return a path as it is called in the checkout, empty for one that lies elsewhere."""
        real, top = os.path.realpath(str(path)), os.path.realpath(str(self.path))
        return os.path.relpath(real, top) if real.startswith(f"{top}/") else ""


def find(make_run: Callable[[str], Run], instance: pm2.Instance) -> AppPlace:
    """Return the checkout of an app. Raises SurveyError where there is none.

    `npm start` runs a script of npm, which may lie in a checkout of its own, as in that of nvm: so the checkout counts
    that has the script in its revision, and then that of the folder that the app works in.
    """
    script, folder = Path(instance.script), Path(instance.cwd)
    found = []
    for each in (script.parent, folder) if folder in script.parents else (folder, script.parent):
        run = make_run(str(each))
        top = run(["rev-parse", "--show-toplevel"]) if each.is_dir() else git.Done(1, "", "")
        if top.code == 0:
            path = top.output.strip()
            found.append(AppPlace(make_run(path), Path(path)))
    if not found:
        raise SurveyError(
            f"{instance.name} runs {instance.script}, which lies in no git checkout; clone the repository first"
        )
    known = [place for place in found if place.inside(script) and place.knows(place.inside(script))]
    place = (known or found)[0]
    start = script.parent if place.inside(script) else folder
    return AppPlace(place.run, place.path, _folder_of_package(place, place.inside(start)))


def home(make_run: Callable[[str], Run], instance: pm2.Instance) -> str:
    """Return the checkout of a process, empty where it has none."""
    try:
        return str(find(make_run, instance).path)
    except SurveyError:
        return ""


def _folder_of_package(place: AppPlace, below: str) -> str:
    """Return the nearest folder above that has a package.json of the revision: a build may make one of its own."""
    folders = [each for each in (Path(below), *Path(below).parents) if str(each) != "."]
    return next((str(each) for each in folders if place.knows(str(each / "package.json"))), "")


def describe(place: AppPlace) -> Dict[str, str]:
    """Return `{path, subfolder, repository, deploy_key, branch}`."""
    branch = place.run(["rev-parse", "--abbrev-ref", "HEAD"]).output.strip()
    return {
        "path": str(place.path),
        "subfolder": place.subfolder,
        "repository": place.run(["remote", "get-url", "origin"]).output.strip(),
        "deploy_key": git.key_of_ssh(place.run),
        "branch": "" if branch == "HEAD" else branch,
    }


def build_of(place: AppPlace, instance: pm2.Instance, commands: Sequence[str]) -> Tuple[List[str], List[str], bool]:
    """Return the command that builds the app, the paths that it makes, and whether the app runs what was built.

    `commands` are the command lines of its processes: under `npm start` only they name what runs.
    """
    words = [instance.script, *(word for line in commands for word in line.split())]
    inside = {place.inside(Path(instance.cwd, word)) for word in words if "node_modules" not in word}
    running = [path for path in sorted(inside) if path and (place.path / path).is_file() and place.ignores(path)]
    base = f"{place.subfolder}/" if place.subfolder else ""
    tops = [base + path[len(base) :].split("/")[0] for path in running if path.startswith(base)]
    usual = [base + name for name in _USUAL if (place.path / base / name).is_dir() and place.ignores(base + name)]
    made = sorted({*tops, *usual})
    scripts = _scripts(place.path / base / "package.json")
    return (_command(place) if made and "build" in scripts else [], made, bool(tops))


def _scripts(package: Path) -> Mapping[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(package.read_text(encoding="utf-8"))
        if isinstance(found, Mapping) and isinstance(found.get("scripts"), Mapping):
            return dict(found["scripts"])
    return {}


def _command(place: AppPlace) -> List[str]:
    """Return how the package manager of the app runs its script `build`."""
    lock = lock_files.nearest(place.run(["ls-files"]).output.split("\n"), place.subfolder)
    manager = lock_files.MANAGERS[Path(lock).name] if lock else "npm"
    return _RUN.get(manager, [manager, "build"])


def ecosystem_of(place: AppPlace, name: str) -> str:
    """Return the ecosystem file of the revision that speaks of a process, empty for none."""
    folders = dict.fromkeys([place.subfolder, ""])
    for path in (f"{folder}/{file}" if folder else file for folder in folders for file in _ECOSYSTEMS):
        with contextlib.suppress(OSError):
            if place.knows(path) and name in (place.path / path).read_text(encoding="utf-8", errors="replace"):
                return path
    return ""
