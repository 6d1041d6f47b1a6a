# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables that a release adjusts: which, what the record keeps of it, and how to undo it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._decision.adjust import (
    Adjustment,
    plan_adjustments,
    read_environment,
)
from ansible_collections.greenlight.release.plugins.module_utils._measure.answers import Answers
from ansible_collections.greenlight.release.plugins.module_utils._measure.reading import own_restarts

Findings = Sequence[Mapping[str, Any]]


def adjustable(findings: Findings) -> List[str]:
    """Return the environment variables that rows may adjust, in the order of the rows."""
    return list(dict.fromkeys(finding["adjust"]["env"] for finding in findings if finding.get("adjust")))


def plan(answers: Answers, findings: Findings, environ: str = "") -> Dict[str, Any]:
    """Return `{adjustable, adjustments, notes, forward, back}`.

    These are the variables that rows may adjust, what changes, why others stay, and how to do and undo it: `forward`
    and `back` are a `{env, facts}` each, the variables to set and what the record has to know before they are.
    `environ` is the file of the process in base64. Raises AdjustError for what is no environment.
    """
    variables, earlier = adjustable(findings), answers.facts.get("adjustments", [])
    planned = plan_adjustments(findings, earlier, read_environment(environ, variables))
    # Each reload restarts every process once.
    restarts, processes = own_restarts(answers), len(answers.process.get("processes", []))
    forward = [*earlier, *planned["adjustments"]]
    back = [*forward, *planned["reversed"]]
    return {
        "adjustable": variables,
        "adjustments": planned["adjustments"],
        "notes": planned["notes"],
        "forward": _step(planned["adjustments"], forward, restarts + processes),
        "back": _step(planned["reversed"], back, restarts + 2 * processes),
    }


def _step(changes: Sequence[Adjustment], history: Sequence[Adjustment], restarts: int) -> Dict[str, Any]:
    facts = {"adjustments": list(history), "own_restarts": restarts}
    return {"env": {each["env"]: each["to"] for each in changes}, "facts": facts}
