# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles and playbooks keep to."""

from __future__ import annotations

import re

import jinja2
from jinja2.exceptions import TemplateSyntaxError

from .source import load, yaml_files

ROLES = {"deploy": {"verify", "rollback"}, "rollback": {"verify"}, "verify": set()}
MOST_PIPES = 3
# Lines of the variables of roles, those of one row taken together.
MOST_LINES_OF_VARIABLES = {("verify",): 30, ("deploy", "rollback"): 60}
# Keywords whose values are expressions without braces.
_BARE = {"when", "that", "until", "failed_when", "changed_when"}
_BLOCKS = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")
_ENVIRONMENT = jinja2.Environment(autoescape=True)


def directions(tree):
    """Deploy uses verify and rollback, rollback uses verify, and verify no other role."""
    found = []
    for path, name in yaml_files(tree, "roles/*/tasks/**/*.yml"):
        role = name.split("/")[1]
        used = set(re.findall(r"name: greenlight\.release\.(\w+)\s*\n", path.read_text(encoding="utf-8")))
        found += [f"{name}: {role} must not use {each}" for each in sorted(used & set(ROLES) - ROLES[role] - {role})]
    return found


def documented_defaults(tree):
    """Every default of a role is documented, with the value that it has, and has one home."""
    found, homes = [], {}
    for role in ROLES:
        defaults = load(tree / "roles" / role / "defaults" / "main.yml") or {}
        specs = load(tree / "roles" / role / "meta" / "argument_specs.yml")["argument_specs"]
        options = specs["main"]["options"]
        stated = {name: option["default"] for name, option in options.items() if "default" in option}
        for name in sorted({*stated, *defaults}):
            if name not in stated or name not in defaults or stated[name] != defaults[name]:
                found.append(f"roles/{role}: the default of {name} and its documentation differ")
        for name, option in options.items():
            if not option.get("description"):
                found.append(f"roles/{role}: {name} has no description")
            if "default" not in option and not option.get("required"):
                found.append(f"roles/{role}: {name} needs a default, or must be required")
        for name in defaults:
            if name in homes:
                found.append(f"roles/{role}: {name} is a default of {homes[name]} already")
            homes[name] = role
    return found


def variables_kept_and_given(tree):
    """No variable of a role, a block or a task is also registered or set as a fact, which Ansible would prefer."""
    kept, given = {}, {}
    for path, name in yaml_files(tree, "roles/*/tasks/**/*.yml", "playbooks/**/*.yml"):
        for variable, how in _kinds_of_variables(load(path) or []):
            (kept if how == "kept" else given).setdefault(variable, name)
    for path, name in yaml_files(tree, "roles/*/vars/**/*.yml"):
        given.update(dict.fromkeys(load(path) or {}, name))
    both = sorted(set(kept) & set(given))
    return [f"{kept[each]}: {each} is kept for the rest of the run here, given in {given[each]}" for each in both]


def _kinds_of_variables(tasks):
    """Yield the variables of a task file and how each is set: kept for the rest of the run, or given to a task."""
    for task in tasks:
        includes = any(key.startswith("ansible.builtin.include_") for key in task)
        facts = [name for name in task.get("ansible.builtin.set_fact", {}) if name != "cacheable"]
        yield from ((name, "kept") for name in [task.get("register"), *facts] if name)
        yield from ((name, "given") for name in ({} if includes else task.get("vars", {})))
        for part in _BLOCKS:
            yield from _kinds_of_variables(task.get(part, []))


def variables_set_nowhere(tree):
    """Every private variable is set somewhere: Ansible meets one that is not only when a release comes to its task."""
    used, known = {}, set()
    for path, name in yaml_files(tree, "roles/**/*.yml", "playbooks/**/*.yml", "roles/*/templates/*.j2"):
        text = path.read_text(encoding="utf-8")
        known.update(re.findall(r"\b(__greenlight_\w+):", text))
        known.update(re.findall(r"(?:register|loop_var): (__greenlight_\w+)", text))
        for variable in re.findall(r"\b__greenlight_\w+", text):
            used.setdefault(variable, name)
    return [f"{used[each]}: {each} is set nowhere" for each in sorted(set(used) - known)]


def long_expressions(tree):
    """What takes more than three filters belongs into a function that can be tested."""
    found = []
    for path, name in yaml_files(tree, "roles/**/*.yml", "playbooks/**/*.yml", "roles/*/templates/*.j2"):
        texts = [path.read_text(encoding="utf-8")] if path.suffix == ".j2" else _texts(load(path))
        for text in texts:
            for expression, pipes in _expressions(text, name):
                if pipes > MOST_PIPES:
                    found.append(f"{name}: {pipes} pipes in {' '.join(expression.split())[:60]}")
    return found


def _texts(value, bare=False):
    """Yield the texts in a value of YAML, conditions in the braces that they do without."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(each, key in _BARE)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each, bare)
    elif isinstance(value, str):
        yield f"{{{{ {value} }}}}" if bare else value


def _expressions(text, name):
    """Yield each expression of a template, and how many filters it pipes through."""
    words, pipes = [], 0
    try:
        tokens = list(_ENVIRONMENT.lex(text))
    except TemplateSyntaxError as error:
        raise AssertionError(f"{name}: {error.message} in {text}") from error
    for _line, kind, word in tokens:
        if kind in ("variable_begin", "block_begin"):
            words, pipes = [], 0
        elif kind in ("variable_end", "block_end"):
            yield "".join(words), pipes
        else:
            words.append(word)
            pipes += kind == "operator" and word == "|"


def sizes_of_variables(tree):
    """The variables of roles name values; what is worked out is worked out in Python."""
    found = []
    for roles, most in MOST_LINES_OF_VARIABLES.items():
        paths = [path for role in roles for path in sorted(tree.glob(f"roles/{role}/vars/**/*.yml"))]
        lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths)
        if lines > most:
            found.append(f"roles/{roles[0]}/vars: {lines} lines in {' and '.join(roles)}, more than {most}")
    return found


RULES = (
    directions,
    documented_defaults,
    variables_kept_and_given,
    variables_set_nowhere,
    long_expressions,
    sizes_of_variables,
)
