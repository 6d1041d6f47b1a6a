# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every Python file of the collection keeps to: small, typed, tested."""

from __future__ import annotations

import ast

from .source import code_lines, functions, nodes, plugins, utils

MOST_LINES_OF_A_FUNCTION = 36
MOST_PARAMETERS = 9
MOST_LINES_OF_A_FILE = 250
MOST_LINES_OF_A_MODULE = 80


def function_sizes(tree):
    """A function fits on a screen, and can be called without a manual."""
    found = []
    for path, name in plugins(tree):
        for node in functions(path):
            lines = len(code_lines(path) & set(range(node.lineno, node.end_lineno + 1)))
            if lines > MOST_LINES_OF_A_FUNCTION:
                found.append(f"{name}: {node.name} has {lines} lines of code, more than {MOST_LINES_OF_A_FUNCTION}")
            if len(parameters(node)) > MOST_PARAMETERS:
                found.append(f"{name}: {node.name} has {len(parameters(node))} parameters, more than {MOST_PARAMETERS}")
    return found


def parameters(node):
    listed = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
    return listed + [each for each in (node.args.vararg, node.args.kwarg) if each]


def file_sizes(tree):
    """A file is about one thing; a module only connects Ansible with utils."""
    found = []
    for path, name in plugins(tree):
        most = MOST_LINES_OF_A_MODULE if name.startswith("plugins/modules/") else MOST_LINES_OF_A_FILE
        if len(code_lines(path)) > most:
            found.append(f"{name}: it has {len(code_lines(path))} lines of code, more than {most}")
    return found


def types(tree):
    """Every parameter and every result has a type."""
    found = []
    for path, name in plugins(tree):
        for node in functions(path):
            bare = [each.arg for each in parameters(node) if not each.annotation and each.arg not in ("self", "cls")]
            if bare:
                found.append(f"{name}: give {', '.join(bare)} of {node.name} a type")
            if not node.returns:
                found.append(f"{name}: say what {node.name} returns")
    return found


def unit_tests(tree):
    """Each util has a test file of its name in the folder of its package, and each test file a util."""
    units = {name[len("plugins/module_utils/") : -len(".py")] for _path, name in utils(tree)}
    files = [path.relative_to(tree / "tests" / "unit") for path in sorted(tree.glob("tests/unit/_*/**/test_*.py"))]
    tested = {path.with_name(path.stem[len("test_") :]).as_posix(): path.as_posix() for path in files}
    missing = sorted(units - set(tested))
    found = [
        f"plugins/module_utils/{unit}.py: write tests/unit/{'/test_'.join(unit.split('/'))}.py" for unit in missing
    ]
    for unit, file in tested.items():
        # test_backup_killed may stand beside test_backup, where one file would be too long.
        if unit not in units and not any(unit.startswith(f"{each}_") for each in units):
            found.append(f"tests/unit/{file}: no util is called {unit}")
    return found


def class_names(tree):
    """Each class of the utils has a name of its own, so that a name says which one is meant."""
    homes = {}
    for path, name in utils(tree):
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(name)
    return [
        f"{names[1]}: the class {each} has the name of one in {names[0]}"
        for each, names in sorted(homes.items())
        if len(names) > 1
    ]


def system_errors(tree):
    """Each module says in one sentence what the system refuses, such as a full disk or too many open files."""
    found = []
    for path, name in plugins(tree, "modules/*.py"):
        main = next(node for node in functions(path) if node.name == "main")
        names = {node.id for node in ast.walk(main) if isinstance(node, ast.Name)}
        names |= {node.attr for node in ast.walk(main) if isinstance(node, ast.Attribute)}
        if not names & {"OSError", "explained"}:
            found.append(f"{name}: catch OSError in main, and tell it by files.told")
    return found


RULES = (function_sizes, file_sizes, types, unit_tests, class_names, system_errors)
