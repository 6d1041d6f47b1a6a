# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What no linter knows of this house: who may use whom, and what must say the same in two places."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import parse_matrix
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import known_metrics

CHECKOUT = Path(__file__).resolve().parent.parent.parent
UTILS = "ansible_collections.greenlight.release.plugins.module_utils"
ROLES = ("deploy", "rollback", "verify")
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def names(pattern):
    return sorted(path.stem for path in CHECKOUT.glob(pattern))


def load(path):
    return yaml.safe_load((CHECKOUT / path).read_text(encoding="utf-8"))


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize(
    "path", sorted(CHECKOUT.glob("plugins/module_utils/*/*.py")), ids=lambda path: f"{path.parent.name}.{path.stem}"
)
def test_utils_know_nothing_of_ansible_and_stay_small(path):
    foreign = [name for name in imports(path) if name.startswith("ansible") and not name.startswith(UTILS)]
    assert (foreign, path.parent.name[0]) == ([], "_")
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if node.end_lineno - node.lineno >= 60] == []


@pytest.mark.parametrize(
    "role, may_use", [("deploy", {"verify", "rollback"}), ("rollback", {"verify"}), ("verify", set())]
)
def test_roles_use_each_other_in_one_direction(role, may_use):
    text = "".join(path.read_text() for path in (CHECKOUT / "roles" / role / "tasks").glob("*.yml"))
    assert set(re.findall(r"name: greenlight\.release\.(deploy|rollback|verify)\n", text)) == may_use


@pytest.mark.parametrize("role", ROLES)
def test_every_default_of_a_role_is_documented_with_its_value(role):
    defaults = load(f"roles/{role}/defaults/main.yml")
    options = load(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    documented = {name: option["default"] for name, option in options.items() if not option.get("required")}
    assert documented == defaults
    assert all(option["description"] for option in options.values())


def test_no_default_is_kept_twice():
    seen = [name for role in ROLES for name in load(f"roles/{role}/defaults/main.yml")]
    assert sorted(seen) == sorted(set(seen))


def kinds_of_variables(tasks):
    """Yield the variables of a task file and how each is set: kept for the rest of the run, or given to a task."""
    for task in tasks:
        includes = any(key.startswith("ansible.builtin.include_") for key in task)
        yield from (
            (name, "kept") for name in [task.get("register"), *task.get("ansible.builtin.set_fact", {})] if name
        )
        yield from ((name, "given") for name in ({} if includes else task.get("vars", {})))
        for part in ("block", "rescue", "always", "tasks"):
            yield from kinds_of_variables(task.get(part, []))


def test_no_variable_of_a_role_or_a_task_is_also_kept_for_the_rest_of_the_run():
    """Ansible prefers a registered variable or a fact, of any task, to a variable of a role, a block or a task."""
    files = [*CHECKOUT.glob("roles/*/tasks/*.yml"), *CHECKOUT.glob("playbooks/**/*.yml")]
    found = [each for path in files for each in kinds_of_variables(load(path))]
    kept = {name for name, how in found if how == "kept"}
    given = {name for name, how in found if how == "given"}
    given |= {name for path in CHECKOUT.glob("roles/*/vars/*.yml") for name in load(path)}
    assert {"greenlight_decision", "__greenlight_plan"} <= kept | given
    assert sorted(kept & given) == []


def test_the_default_matrix_is_the_runbooks_and_every_metric_in_it_is_known():
    defaults = load("roles/verify/defaults/main.yml")
    matrix, first_hour = defaults["greenlight_decision_matrix"], defaults["greenlight_first_hour_rows"]
    assert len(parse_matrix(matrix, known_metrics())) == 7
    assert len(parse_matrix(matrix + first_hour + defaults["greenlight_watch_rows"], known_metrics())) == 10


@pytest.mark.parametrize("name", names("plugins/modules/*.py") + names("playbooks/*.yml") + list(ROLES))
def test_the_readme_names_everything_that_can_be_used(name):
    assert f"`{name}`" in README or f"greenlight.release.{name}" in README


@pytest.mark.parametrize("name", names("plugins/modules/*.py"))
def test_every_module_is_in_the_action_group(name):
    assert name in load("meta/runtime.yml")["action_groups"]["release"]


def test_nothing_is_excused_from_sanity():
    assert list((CHECKOUT / "tests").glob("sanity/ignore*")) == []


def test_the_version_and_the_supported_releases_say_the_same_everywhere():
    version = load("galaxy.yml")["version"]
    assert f"v{version}\n" in (CHECKOUT / "CHANGELOG.rst").read_text()
    assert load("meta/runtime.yml")["requires_ansible"] == ">=2.16.0"
    assert "2.16" in README
    assert load("tests/config.yml")["modules"]["python_requires"] == ">=3.8"
    assert "Python 3.8" in README
