# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom."""

from __future__ import annotations

import ast
import functools
import sys

from .source import COLLECTION, nodes, plugins, utils

# A package imports only packages of the rows above its own.
LAYERS = (
    {"_values"},
    {"_host", "_decision", "_options"},
    {"_measure", "_sqlite", "_pm2", "_health"},
    {"_logs"},
    {"_release"},
    {"_code", "_fleet"},
    {"_switch", "_survey", "_nested"},
    {"filter", "lookup", "modules"},
)
# What of it each module ships to a host, directly and by way of others.
SHIPPED = {
    "app_survey": {"_code", "_host", "_logs", "_pm2", "_survey", "_values"},
    "git_revision": {"_code", "_host", "_values"},
    "health_check": {"_health", "_host", "_logs", "_pm2", "_release", "_values"},
    "log_assert": {"_host", "_logs", "_pm2", "_release", "_values"},
    "pm2_process": {"_host", "_pm2", "_release", "_values"},
    "pm2_process_info": {"_host", "_pm2", "_release", "_values"},
    "release_build": {"_code", "_host", "_pm2", "_release", "_switch", "_values"},
    "release_first": {"_code", "_host", "_pm2", "_release", "_switch", "_values"},
    "release_notify": {"_host", "_release", "_values"},
    "release_record": {"_decision", "_host", "_logs", "_release", "_values"},
    "release_record_info": {"_decision", "_host", "_release", "_values"},
    "release_switch": {"_code", "_decision", "_host", "_logs", "_pm2", "_release", "_sqlite", "_switch", "_values"},
    "release_tree": {"_code", "_host", "_release", "_values"},
    "sqlite_backup": {"_host", "_release", "_sqlite", "_values"},
    "sqlite_backup_copy": {"_host", "_release", "_sqlite", "_values"},
    "sqlite_backup_drill": {"_host", "_sqlite", "_values"},
    "sqlite_backup_info": {"_host", "_sqlite", "_values"},
}
# _measure asks nobody: what was measured is handed to it.
ONLY = {"_measure": {"_values", "_decision"}}


def level(package):
    return next((number for number, packages in enumerate(LAYERS) if package in packages), None)


@functools.lru_cache(maxsize=None)
def imported(path, name):
    """Return each full name that a plugin imports, wherever in the file, relative names made absolute."""
    here, found = [*COLLECTION.split("."), *name.split("/")[1:-1]], []
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            found += [f"{module}.{alias.name}" for alias in node.names]
    return tuple(found)


def own_imports(path, name):
    """Return what a plugin imports of this collection, as the package and the names that follow it."""
    for full in imported(path, name):
        if full.startswith(f"{COLLECTION}."):
            parts = full[len(COLLECTION) + 1 :].split(".")
            yield (parts[1], parts[2:]) if parts[0] == "module_utils" and parts[1:] else (parts[0], parts[1:])


def package_of(name):
    parts = name.split("/")
    return parts[2] if parts[1] == "module_utils" else parts[1]


def arrows(tree):
    """A package imports only packages below it."""
    found = []
    for path, name in plugins(tree):
        here = package_of(name)
        for package in sorted({package for package, _rest in own_imports(path, name)} - {here}):
            if level(here) is None or level(package) is None:
                found.append(f"{name}: {here} imports {package}, and one of them has no place in LAYERS")
            elif level(package) >= level(here) or package not in ONLY.get(here, {package}):
                found.append(f"{name}: {here} must not import {package}")
    return found


def packages(tree):
    """Every util lies in a package that has a place among the layers."""
    found = [f"{name}: put it into a package" for _path, name in plugins(tree, "module_utils/*.py")]
    folders = [path for path in sorted(tree.glob("plugins/module_utils/*")) if list(path.glob("*.py"))]
    found += [f"plugins/module_utils/{each.name}: add it to LAYERS" for each in folders if level(each.name) is None]
    found += [
        f"plugins/module_utils/{each.name}: add an __init__.py, or Ansible does not ship it"
        for each in folders
        if not (each / "__init__.py").exists()
    ]
    return found


def private_files(tree):
    """Of a package with an api, others import only the api and the errors."""
    with_api = {path.parent.name for path in tree.glob("plugins/module_utils/*/api.py")}
    found = []
    for path, name in plugins(tree):
        for package, rest in own_imports(path, name):
            if package in with_api - {package_of(name)} and rest[:1] != ["api"] and not _is_error(rest):
                found.append(f"{name}: import api of {package} instead of {'.'.join(rest) or 'all of it'}")
    return found


def _is_error(rest):
    return len(rest) == 2 and rest[1].endswith("Error")


def circles(tree):
    """No file imports itself by way of others."""
    files = {name: path for path, name in utils(tree)}
    graph = {name: _files_imported(path, name, files) for name, path in files.items()}
    found, left = [], set(graph)
    # What imports nothing that is left is in no circle; what remains at the end is in one, or imports one.
    while True:
        done = {name for name in left if not graph[name] & left}
        if not done:
            break
        left -= done
    for name in sorted(left):
        if name in _reachable(graph, name):
            found.append(f"{name}: it imports itself by way of others")
    return found


def _files_imported(path, name, files):
    found = set()
    for package, rest in own_imports(path, name):
        for end in range(len(rest), 0, -1):
            file = f"plugins/module_utils/{'/'.join([package, *rest[:end]])}.py"
            if file in files:
                found.add(file)
                break
    return found


def _reachable(graph, start):
    seen, ahead = set(), list(graph[start])
    while ahead:
        name = ahead.pop()
        if name not in seen:
            seen.add(name)
            ahead.extend(graph[name])
    return seen


def shipped(tree):
    """A module ships the packages that its subject needs, and no others."""
    files = {name: path for path, name in utils(tree)}
    graph = {name: _files_imported(path, name, files) for name, path in files.items()}
    found = []
    for path, name in plugins(tree, "modules/*.py"):
        direct = _files_imported(path, name, files)
        packages = {package_of(each) for each in direct.union(*(_reachable(graph, each) for each in direct))}
        for package in sorted(packages - SHIPPED.get(path.stem, set())):
            found.append(f"{name}: it ships {package}; import less, or add it to SHIPPED")
    return found


def foreign_imports(tree):
    """Utils import this collection and the standard library; what else they need is handed to them."""
    found = []
    for path, name in utils(tree):
        for full in sorted(set(imported(path, name))):
            own = full.startswith(f"{COLLECTION}.")
            if not own and full.split(".")[0] not in sys.stdlib_module_names:
                found.append(f"{name}: utils must not import {full}")
    return found


RULES = (arrows, packages, private_files, circles, shipped, foreign_imports)
