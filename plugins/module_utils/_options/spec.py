# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of a user may be: the options of the roles, as their argument_specs have them, and a few more."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, List, Mapping, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

# Whose options a task depends on. A watch may roll back, and a release does both.
ROLES: Dict[str, Tuple[str, ...]] = {
    "deploy": ("deploy", "rollback", "verify"),
    "rollback": ("rollback", "verify"),
    "verify": ("rollback", "verify"),
    "status": (),
}


class OptionsError(GreenlightError):
    """A task that the collection does not have."""


@dataclass(frozen=True)
class Option:
    """One variable of a user. `elements` is the type of the items of a list, no `choices` mean any value.

    `default` may be a template, and is None where there is no default.
    """

    name: str
    type: str = "raw"
    elements: str = "raw"
    choices: Tuple[str, ...] = ()
    required: bool = False
    default: Any = None


# A default that is the value of another option.
_NAME = re.compile(r"\{\{ (greenlight_\w+) \}\}")
# Only playbooks and task files read these, so that no role documents them.
_OF_PLAYBOOKS = (
    Option("greenlight_app_user", "str"),
    Option("greenlight_close_as_is", "bool"),
    Option("greenlight_hosts"),
    Option("greenlight_init_file", "path"),
    Option("greenlight_status_file", "path"),
    Option("greenlight_status_format", "str", choices=("table", "json")),
)
_OF_STATUS = (Option("greenlight_app_name", "str", required=True), Option("greenlight_state_path", "path"))
# The collection sets these for its users.
_SET_BY_US = ("greenlight_decision", "greenlight_hook")


@dataclass(frozen=True)
class Spec:
    """The options that a task depends on, and the names of all variables of the collection."""

    options: Tuple[Option, ...]
    known: FrozenSet[str]


def read_spec(task: str, documented: Mapping[str, Mapping[str, Any]]) -> Spec:
    """Return the spec of a task. `documented` are the options of the entry point main of each role.

    Raises OptionsError for a task that does not exist.
    """
    if task not in ROLES:
        raise OptionsError(f"There are no options for {task!r}; use one of {', '.join(ROLES)}")
    own = _OF_STATUS if task == "status" else ()
    options: Dict[str, Option] = {option.name: option for option in (*_OF_PLAYBOOKS, *own)}
    for role in ROLES[task]:
        options.update({option.name: option for option in _parse(documented[role])})
    names = (name for role in documented.values() for name in role)
    return Spec(tuple(options.values()), frozenset([*options, *names, *_SET_BY_US]))


def with_defaults(spec: Spec, values: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the values, and the defaults of options that have none: a role's own count only when it has begun.

    A default that is another option has its value. Other templates are left out.
    """
    known = {**{option.name: option.default for option in spec.options}, **values}
    named = {name: _NAME.fullmatch(value) if isinstance(value, str) else None for name, value in known.items()}
    found = {name: known.get(match[1]) if match else known[name] for name, match in named.items()}
    return {
        name: value for name, value in found.items() if value is not None and (name in values or "{{" not in str(value))
    }


def _parse(options: Mapping[str, Any]) -> List[Option]:
    return [
        Option(
            name=name,
            type=option.get("type", "str"),
            elements=option.get("elements", "raw"),
            choices=tuple(option.get("choices", ())),
            required=bool(option.get("required", False)),
            default=option.get("default"),
        )
        for name, option in options.items()
    ]
