# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is wrong with the variables of a user, in one sentence each, before anything is touched."""

from __future__ import annotations

import difflib
from typing import Any, Iterable, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._options.spec import Option, Spec
from ansible_collections.greenlight.release.plugins.module_utils._options.value import find_problem
from ansible_collections.greenlight.release.plugins.module_utils._values import app_process

_PREFIX = "greenlight_"
# From this likeness on a name is a typing error, and no name that a user made up: measured on pairs of both.
_ALIKE = 0.85


def find_problems(
    spec: Spec, names: Iterable[str], values: Mapping[str, Any], unreadable: Mapping[str, str]
) -> List[str]:
    """Return one sentence for each variable that is missing, wrong, or misspelt; [] when all is well.

    `names` are the names of all variables that are set, `values` what the options among them are, and `unreadable` says
    of an option why it has no value, as one whose template asks for a variable that nobody set.
    """
    needed = [option for option in spec.options if option.required or _is_asked_by(option, values)]
    missing = [option.name for option in needed if _is_missing(option, values, unreadable)]
    present = [option for option in spec.options if option.name in values and option.name not in missing]
    wrong = [find_problem(option, values[option.name]) for option in present]
    return [
        *([_describe_missing(missing)] if missing else []),
        # What cannot be read because another one is missing is not reported again.
        *(f"{name} cannot be read: {reason}." for name, reason in unreadable.items() if not _mentions(reason, missing)),
        *(f"{sentence}." for sentence in wrong if sentence),
        *_misspelt(spec, names),
    ]


def _is_asked_by(option: Option, values: Mapping[str, Any]) -> bool:
    """Say whether the app is asked at the URL of this option: what listens on no port need not answer."""
    if option.name != "greenlight_health_url":
        return False
    try:
        listed = app_process.parse(values.get("greenlight_processes") or [])
    except app_process.ProcessesError:
        # That is told when all options are there.
        return False
    app = app_process.app_of(listed) if listed else app_process.AppProcess("")
    return app.role == app_process.SERVES and not app.socket


def _is_missing(option: Option, values: Mapping[str, Any], unreadable: Mapping[str, str]) -> bool:
    return option.name not in unreadable and values.get(option.name) in (None, "")


def _describe_missing(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is missing; set it, for example in group_vars."
    return f"{', '.join(names[:-1])} and {names[-1]} are missing; set them, for example in group_vars."


def _mentions(reason: str, names: Sequence[str]) -> bool:
    return any(f"'{name}'" in reason for name in names)


def _misspelt(spec: Spec, names: Iterable[str]) -> List[str]:
    unknown = sorted(name for name in names if name.startswith(_PREFIX) and name not in spec.known)
    pairs = [(name, find_alike(name, spec.known)) for name in unknown]
    return [f"{name} is not a variable of greenlight.release; did you mean {meant}?" for name, meant in pairs if meant]


def find_alike(name: str, known: Iterable[str]) -> Optional[str]:
    """Return the known name that an unknown one resembles, None for one that a user made up."""
    # What all names begin with would make them all alike.
    endings = {each[len(_PREFIX) :]: each for each in sorted(known)}
    ending = name[len(_PREFIX) :]
    same_words = [each for each in endings if sorted(each.split("_")) == sorted(ending.split("_"))]
    alike = same_words or difflib.get_close_matches(ending, endings, 1, _ALIKE)
    return endings[alike[0]] if alike else None
