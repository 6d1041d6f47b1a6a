# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that is wrong inside of the lists and mappings of a user, before anything is touched.

Each is read as the part of the collection reads it that uses it later.
"""

from __future__ import annotations

import functools
from typing import Any, Callable, Dict, List, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import parse_matrix
from ansible_collections.greenlight.release.plugins.module_utils._fleet import fleet
from ansible_collections.greenlight.release.plugins.module_utils._health.parse import parse_probes
from ansible_collections.greenlight.release.plugins.module_utils._logs.process import parse_files
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import read_rules
from ansible_collections.greenlight.release.plugins.module_utils._measure import answers, questions
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import (
    NAMES,
    Settings,
    parse_settings,
)
from ansible_collections.greenlight.release.plugins.module_utils._release import changes, databases, notify, schedule
from ansible_collections.greenlight.release.plugins.module_utils._values import app_process
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import parse_duration
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import known_metrics

_PREFIX = "greenlight_"
_ANY_TIMEOUT = 1.0

CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "greenlight_log_files": parse_files,
    "greenlight_batches": lambda batches: fleet.split([""], batches),
    "greenlight_soak": parse_duration,
    "greenlight_restore_within": parse_duration,
    "greenlight_allowed_hours": schedule.parse_windows,
    "greenlight_freeze": schedule.parse_freezes,
    "greenlight_on_change": changes.parse_rules,
    "greenlight_notifications": lambda services: notify.parse_services(services, "greenlight_notifications"),
}


def find_nested_problems(values: Mapping[str, Any]) -> List[str]:
    """Return one sentence for each part of an option that cannot be used; [] when all is well.

    `values` are options of the roles by their names, each of the right type.
    """
    found = [_problem_of(name, functools.partial(CHECKS[name], values[name])) for name in CHECKS if name in values]
    found.append(_problem_of("greenlight_databases", functools.partial(_parse_databases, values)))
    options = {name: values[f"{_PREFIX}{name}"] for name in NAMES if f"{_PREFIX}{name}" in values}
    if len(options) == len(NAMES):
        found.append(_problem_of_measuring(options))
    found.append(_problem_of("greenlight_processes", functools.partial(_choose_processes, values)))
    return [f"{sentence}." for sentence in found if sentence]


def _choose_processes(values: Mapping[str, Any]) -> None:
    """Raise ProcessesError where the list of processes is wrong, or contradicts what is said besides."""
    name, port = (values.get(f"{_PREFIX}{option}") for option in ("process_name", "port"))
    app_process.chosen(values.get(f"{_PREFIX}processes", ()), name or "", port or 0)


def _parse_databases(values: Mapping[str, Any]) -> None:
    databases.parse(values.get("greenlight_database_path", ""), values.get("greenlight_databases", []))


def _problem_of_measuring(options: Mapping[str, Any]) -> str:
    """Return the first problem: what comes later needs what comes before."""
    try:
        settings = parse_settings(options)
    except GreenlightError as error:
        return str(error)
    probes, known = questions.probes(settings), known_metrics(settings.probe_metrics())
    own = probes[: len(probes) - len(settings.probes)]
    checks: Mapping[str, Callable[[], Any]] = {
        "greenlight_health_probe" if settings.health_probe else "greenlight_health_url": lambda: parse_probes(
            own, _ANY_TIMEOUT
        ),
        "greenlight_probes": lambda: parse_probes(probes, _ANY_TIMEOUT),
        "greenlight_decision_matrix": lambda: parse_matrix(settings.matrix(), known),
        "The rules for the log": lambda: read_rules(_log_of(settings)),
    }
    return next(filter(None, (_problem_of(name, check) for name, check in checks.items())), "")


def _log_of(settings: Settings) -> Dict[str, Any]:
    log: Dict[str, Any] = questions.ask(settings, answers.parse_answers(settings, {}))["log"]
    return log


def _problem_of(name: str, check: Callable[[], Any]) -> str:
    """Return what a check says against a value, with the name of its option, or an empty text."""
    try:
        check()
    except GreenlightError as error:
        sentence = str(error).rstrip(".")
        # Most parts name what they were given by other names than the user's.
        return sentence if "greenlight_" in sentence else f"{name}: {sentence}"
    return ""
