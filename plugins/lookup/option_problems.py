# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: option_problems
short_description: Find variables of this collection that are missing, wrong or misspelt
version_added: 0.1.0
description:
  - Checks all C(greenlight_*) variables of a host by what the roles document, on the controller alone, so that a role or a playbook can refuse
    a wrong one before it touches anything.
  - A variable that the collection does not know is refused only when its name resembles a known one. Yours may have any other name.
author:
  - The greenlight.release maintainers (@greenlight)
options:
  _terms:
    description: What the variables are for, one of V(deploy), V(rollback), V(verify) and V(status).
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse wrong variables
  ansible.builtin.assert:
    that: query('greenlight.release.option_problems', 'deploy') | length == 0
"""

RETURN = r"""
_value:
  description: One sentence for each problem.
  type: list
  elements: str
  sample: ["greenlight_strategy must be restart or reload, and not rolling."]
"""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible.errors import AnsibleError
from ansible.module_utils.common.text.converters import to_text
from ansible.module_utils.common.yaml import yaml_load
from ansible.plugins.lookup import LookupBase
from ansible_collections.greenlight.release.plugins.module_utils._nested.check import find_nested_problems
from ansible_collections.greenlight.release.plugins.module_utils._options.check import find_problems
from ansible_collections.greenlight.release.plugins.module_utils._options.spec import (
    OptionsError,
    Spec,
    read_spec,
    with_defaults,
)

ROLES = Path(__file__).resolve().parent.parent.parent / "roles"


def documented_options() -> Dict[str, Any]:
    """Return the options of each role, by its name."""
    files = {path.parent.parent.name: path for path in ROLES.glob("*/meta/argument_specs.yml")}
    specs = {role: yaml_load(path.read_text(encoding="utf-8")) for role, path in files.items()}
    return {role: spec["argument_specs"]["main"]["options"] for role, spec in specs.items()}


class LookupModule(LookupBase):
    """Lookup that reads the variables of the host for which it runs."""

    def run(self, terms: Sequence[str], variables: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> List[str]:
        given, problems = variables or {}, []
        for task in terms:
            try:
                spec = read_spec(task, documented_options())
            except OptionsError as error:
                raise AnsibleError(str(error)) from error
            values, unreadable = self._read(spec, given)
            wrong = find_problems(spec, given, values, unreadable)
            problems += wrong or find_nested_problems(with_defaults(spec, values))
        return problems

    def _read(self, spec: Spec, variables: Mapping[str, Any]) -> Tuple[Dict[str, Any], Dict[str, str]]:
        values: Dict[str, Any] = {}
        unreadable: Dict[str, str] = {}
        for option in spec.options:
            if option.name in variables:
                try:
                    values[option.name] = plain(self._templar.template(variables[option.name]))
                except AnsibleError as error:
                    unreadable[option.name] = describe(error)
        return values, unreadable


def describe(error: AnsibleError) -> str:
    """Return the message of an error without where it was, each sentence once: ansible-core 2.16 repeats them."""
    sentences = to_text(error.message).rstrip(".").split(". ")
    return ". ".join(dict.fromkeys(sentences))


def plain(value: Any) -> Any:
    """Return a text that the vault hides as a text."""
    return to_text(value) if getattr(value, "__ENCRYPTED__", False) else value
