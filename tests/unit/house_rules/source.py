# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the files that the rules look at."""

from __future__ import annotations

import ast
import functools
import io
import tokenize

import yaml

COLLECTION = "ansible_collections.greenlight.release.plugins"
# Tokens that make no line of code. A text may stretch over many lines, so it is not enough to look at the first column.
_NO_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}
_DOCUMENTATION = {"DOCUMENTATION", "EXAMPLES", "RETURN"}


def plugins(tree, pattern="**/*.py"):
    """Return the Python files of the plugins, and for each its path in the collection."""
    return [(path, path.relative_to(tree).as_posix()) for path in sorted(tree.glob(f"plugins/{pattern}"))]


def utils(tree):
    return [(path, name) for path, name in plugins(tree, "module_utils/*/**/*.py") if path.name != "__init__.py"]


@functools.lru_cache(maxsize=None)
def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


@functools.lru_cache(maxsize=None)
def nodes(path):
    return tuple(ast.walk(parse(path)))


def functions(path):
    return [node for node in nodes(path) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


@functools.lru_cache(maxsize=None)
def code_lines(path):
    """Return the numbers of the lines that hold code, and not a comment or documentation."""
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type not in _NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in nodes(path):
        if _is_documentation(node):
            lines.difference_update(range(node.lineno, node.end_lineno + 1))
    return lines


def _is_documentation(node):
    if isinstance(node, ast.Assign):
        return isinstance(node.targets[0], ast.Name) and node.targets[0].id in _DOCUMENTATION
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@functools.lru_cache(maxsize=None)
def load(path):
    return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)


def yaml_files(tree, *patterns):
    paths = sorted(path for pattern in patterns for path in tree.glob(pattern))
    return [(path, path.relative_to(tree).as_posix()) for path in paths]
