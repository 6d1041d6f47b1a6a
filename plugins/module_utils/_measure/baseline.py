# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release begins with: the facts of the running revision, and the checks that say nothing of a new one."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._decision.vacuous import find_vacuous
from ansible_collections.greenlight.release.plugins.module_utils._measure.answers import Answers
from ansible_collections.greenlight.release.plugins.module_utils._measure.questions import (
    OF_LOGS,
    has_no_log,
    log_files,
)
from ansible_collections.greenlight.release.plugins.module_utils._measure.reading import read, written_lines
from ansible_collections.greenlight.release.plugins.module_utils._measure.settings import Settings
from ansible_collections.greenlight.release.plugins.module_utils._values.metric import varying_metrics

# The rules of forbidden lines, which count only kinds that the running revision did not write.
_KIND_RULES = ("critical_errors", "new_errors", "new_warnings")
_NO_LOG = (
    f"{', '.join(OF_LOGS)}: the app writes no log that could be read; give its processes one, or name its own in "
    "greenlight_log_files"
)
# How grep ends when it finds nothing, and when it cannot search for a pattern.
_ABSENT, _UNSEARCHABLE = 1, 2


def baseline(settings: Settings, answers: Answers) -> Dict[str, Any]:
    """Return `{facts, vacuous, unwritten, judged_by, written_in}`.

    These are what the record keeps of the running revision, the checks that cannot fail, the texts to search the
    sources for, each with its pattern, how the health is judged where that was inferred, and the styles of the log.
    """
    measurements = read(settings, answers).measurements
    vacuous = _vacuous(settings, answers, measurements)
    written = written_lines(answers)
    facts = {
        "baseline": measurements,
        "known_kinds": {rule: known_kinds(answers, rule) for rule in _KIND_RULES},
        "unmeasured": answers.health["unmeasured"],
        **_rule_of(answers),
        "vacuous": vacuous,
        "written_lines": [line for line in dict.fromkeys(settings.required_log_lines) if line in written],
        "log_files": log_files(settings, answers),
        "log_styles": answers.log.get("styles", []),
    }
    return {
        "facts": facts,
        "vacuous": vacuous,
        "unwritten": unwritten_patterns(settings, answers),
        "judged_by": judged_by(answers),
        "written_in": written_in(answers),
    }


def _rule_of(answers: Answers) -> Dict[str, Any]:
    """Return the rule that was inferred for the health, as a fact, no fact for none."""
    rules = [probe["rule"] for probe in answers.health["probes"] if probe.get("rule")]
    return {"health_rule": rules[0]} if rules else {}


def judged_by(answers: Answers) -> str:
    """Return the rule that was inferred for the health in words, empty for none."""
    words = next((probe["judged_by"] for probe in answers.health["probes"] if probe.get("judged_by")), "")
    return f"The health is good with {words}, as the running revision answers" if words else ""


def written_in(answers: Answers) -> str:
    """Return the styles that were found in the log, in words, empty for none."""
    styles = answers.log.get("styles", [])
    return f"The log is read in these styles: {', '.join(styles)}; greenlight_log_style sets others" if styles else ""


def known_kinds(answers: Answers, rule: str) -> List[str]:
    """Return the kinds of lines that are nothing new.

    The log still holds lines of releases that were rolled back; their kinds are as new as before.
    """
    watch = answers.watch
    before = (watch.get("baseline_since") or {}).get("known_kinds", {}).get(rule, [])
    rejected = (watch.get("rejected_kinds") or {}).get(rule, [])
    return [kind for kind in dict.fromkeys([*answers.log["kinds"].get(rule, []), *before]) if kind not in rejected]


def unwritten_patterns(settings: Settings, answers: Answers) -> List[Tuple[str, str]]:
    """Return each text that the log does not have, with the pattern to find it in the sources: any number matches."""
    written = written_lines(answers)
    lines = [line for line in dict.fromkeys(settings.required_log_lines) if line not in written]
    pool = [] if "pool_exhausted" in written else [(settings.pool_exhausted, settings.pool_exhausted)]
    return [*((line, re.sub("[0-9]+", ".*", re.escape(line))) for line in lines), *pool]


def _vacuous(settings: Settings, answers: Answers, measurements: Dict[str, Any]) -> List[str]:
    results = answers.searched.get("results", [])
    unread = [_NO_LOG] if has_no_log(settings, answers) else []
    return unread + find_vacuous(
        {
            "probes": answers.health["probes"],
            "unmeasured": answers.health["unmeasured"],
            "lines": answers.log["lines"],
            "required": settings.required_log_lines,
            "absent": _searched_with(results, _ABSENT),
            "unsearched": _searched_with(results, _UNSEARCHABLE),
            "rates": {"error_rate": settings.rate_of_errors()},
            "styles": answers.log.get("styles", []),
            "gauges": varying_metrics(settings.probe_metrics()),
            "measurements": measurements,
            "readings": answers.watch.get("readings") or {},
        }
    )


def _searched_with(results: Sequence[Any], status: int) -> List[str]:
    return [result["item"][0] for result in results if result["rc"] == status]
