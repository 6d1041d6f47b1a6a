# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module returns of a switch: what is planned, what was done, or how far it came before it failed."""

from __future__ import annotations

from typing import Any, Dict

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release import watch as release_watch
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress, SwitchError
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import diff_of, steps_of


def describe(inputs: Inputs, progress: Progress, with_diff: bool) -> Dict[str, Any]:
    """Return the result of a switch, in check mode that of the plan. Raises RecordError."""
    result = {
        "changed": True,
        "steps": steps_of(inputs.plan),
        "before": pm2.report.facts(progress.before, inputs.system.now().timestamp()),
        **({"diff": [diff_of(inputs.plan), *progress.diffs]} if with_diff else {}),
        **progress.results,
        "seconds": dict(progress.seconds),
    }
    if not inputs.is_rehearsal:
        records = store.read_records(inputs.state_path)
        result["story"] = release_watch.describe(inputs.state_path, records, inputs.system.now())
    return result


def describe_failure(error: SwitchError) -> Dict[str, Any]:
    """Return what is known of a switch that failed, in addition to the message."""
    results = error.progress.results if error.progress else {}
    seconds = error.progress.seconds if error.progress else {}
    return {**results, "seconds": dict(seconds), "step": error.step}
