# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Render expressions of the roles with Ansible's own templates and filters, as a play would.

Run as a program of its own, since Ansible finds collections by an import hook that the other tests do not have. Reads
`{"collections": path, "files": [...], "variables": {...}, "expressions": {...}, "cases": {name: variables}}`
as JSON from standard input, and writes for each case the value of every expression, or `{"fails": message}`. The
variables and expressions are templates, the cases are data.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def render(asked: dict[str, Any]) -> dict[str, dict[str, Any]]:
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader([asked["collections"]])
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import trust_as_template

    loader = DataLoader()
    of_the_roles = trust(asked["variables"], trust_as_template)
    for path in asked["files"]:
        of_the_roles.update(loader.load_from_file(path, trusted_as_template=True))
    expressions = trust(asked["expressions"], trust_as_template)
    return {
        name: {each: value_of(loader, {**of_the_roles, **given}, text) for each, text in expressions.items()}
        for name, given in asked["cases"].items()
    }


def trust(value: Any, trust_as_template: Any) -> Any:
    """Mark every text as one that the collection wrote, in lists and mappings too."""
    if isinstance(value, dict):
        return {key: trust(each, trust_as_template) for key, each in value.items()}
    if isinstance(value, list):
        return [trust(each, trust_as_template) for each in value]
    return trust_as_template(value) if isinstance(value, str) else value


def value_of(loader: Any, variables: dict[str, Any], text: Any) -> Any:
    from ansible.errors import AnsibleError
    from ansible.template import Templar

    try:
        return Templar(loader=loader, variables=variables).template(text)
    except AnsibleError as error:
        # What stands before it names the filter in the words of this version of Ansible.
        return {"fails": str(error).partition("failed: ")[2]}


if __name__ == "__main__":
    json.dump(render(json.load(sys.stdin)), sys.stdout, default=repr)
