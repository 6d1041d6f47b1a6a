# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must say the same in two places."""

from __future__ import annotations

import re

from ansible_collections.greenlight.release.plugins.module_utils._values.metric import known_metrics

from .imports import LAYERS
from .roles import ROLES
from .source import load

_ROWS = ("greenlight_decision_matrix", "greenlight_first_hour_rows", "greenlight_watch_rows")


def metrics(tree):
    """Every metric that a default row judges is one of the registry, and every metric of the registry is judged."""
    defaults = load(tree / "roles" / "verify" / "defaults" / "main.yml")
    judged = {row["metric"] for name in _ROWS for row in defaults[name]}
    return [
        f"roles/verify/defaults/main.yml: the registry does not know {name}"
        for name in sorted(judged - set(known_metrics()))
    ] + [f"roles/verify/defaults/main.yml: no row judges {name}" for name in sorted(set(known_metrics()) - judged)]


def readme(tree):
    """The README names every module, every playbook and every role."""
    text = (tree / "README.md").read_text(encoding="utf-8")
    names = [path.stem for pattern in ("plugins/modules/*.py", "playbooks/*.yml") for path in tree.glob(pattern)]
    return [
        f"README.md: it does not name {name}"
        for name in sorted({*names, *ROLES})
        if f"`{name}`" not in text and f"greenlight.release.{name}" not in text
    ]


def layers(tree):
    """The table of layers in CONTRIBUTING.md is the one that the imports are checked against."""
    text = (tree / "CONTRIBUTING.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)
    expected = [(str(number), name) for number, names in enumerate(LAYERS[:-1], 1) for name in sorted(names)]
    return [
        f"CONTRIBUTING.md: add {name} to layer {number}" for number, name in expected if (number, name) not in shown
    ] + [
        f"CONTRIBUTING.md: {name} is not in layer {number}" for number, name in shown if (number, name) not in expected
    ]


def trusted(tree):
    """Each way in that docs/trust.md shows has a test, which exists."""
    rows = (tree / "docs" / "trust.md").read_text(encoding="utf-8").partition("and its test\n")[2]
    named = [re.findall(r"`(test_\w+)` \|$", row) for row in rows.split("\n") if row.startswith("| ")][1:]
    written = "".join(path.read_text(encoding="utf-8") for path in sorted(tree.glob("tests/**/test_*.py")))
    wrong = [name for names in named for name in names or ["a row without a test"] if f"def {name}(" not in written]
    return [f"docs/trust.md: no test is called {name}" for name in wrong]


def action_group(tree):
    """The action group is the modules."""
    group = set(load(tree / "meta" / "runtime.yml")["action_groups"]["release"])
    modules = {path.stem for path in tree.glob("plugins/modules/*.py")}
    return [f"meta/runtime.yml: the action group lacks {name}" for name in sorted(modules - group)] + [
        f"meta/runtime.yml: no module is called {name}" for name in sorted(group - modules)
    ]


def sanity(tree):
    """Nothing is excused from the sanity tests."""
    return [f"{path.relative_to(tree)}: remove it" for path in sorted(tree.glob("tests/sanity/ignore*"))]


def versions(tree):
    """The version, and the oldest releases of Ansible and Python, are the same wherever they are named."""
    version = load(tree / "galaxy.yml")["version"]
    ansible = load(tree / "meta" / "runtime.yml")["requires_ansible"]
    python = load(tree / "tests" / "config.yml")["modules"]["python_requires"]
    sought = (
        ("CHANGELOG.rst", f"v{version}\n"),
        ("README.md", ansible.split(">=")[-1].rsplit(".", 1)[0]),
        ("README.md", f"Python {python.split('>=')[-1]}"),
    )
    return [
        f"{file}: it does not name {text.strip()}"
        for file, text in sought
        if text not in (tree / file).read_text(encoding="utf-8")
    ]


RULES = (metrics, readme, layers, trusted, action_group, sanity, versions)
