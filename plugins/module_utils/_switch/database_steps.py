# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of a switch that are about its databases, of which there may be none, one, or several."""

from __future__ import annotations

from typing import Any, Dict, List

from ansible_collections.greenlight.release.plugins.module_utils._switch import database
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.noting import facts_of_databases, note
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import FAILURES, Progress


def back_up(inputs: Inputs, progress: Progress) -> Progress:
    """Bring every backup up to the last committed write. Nothing runs, so they are all of one moment."""
    facts = [{**each.fact, **database.back_up(each)} for each in inputs.databases]
    return progress.found({"backups": [each["backup"] for each in facts]}).learned({"databases": facts})


def restore(inputs: Inputs, progress: Progress) -> Progress:
    """Restore each database that needs it, and note that at once: a resumed rollback must not do it again."""
    facts = facts_of_databases(inputs, progress)
    told: List[Dict[str, Any]] = []
    for number, (each, ruling) in enumerate(zip(inputs.databases, progress.rulings)):
        told.append({"path": each.path, **database.restore(each, ruling)})
        if told[-1]["restored"]:
            facts[number]["restored"] = told[-1]
            progress = note(inputs, progress.learned({"databases": facts}), None, "databases")
    return progress.found({"restored": told})


def count_lost(inputs: Inputs, progress: Progress) -> Progress:
    """Count the rows that restores have undone, now that the old revision serves."""
    facts, told = facts_of_databases(inputs, progress), list(progress.results["restored"])
    try:
        for number, each in enumerate(inputs.databases):
            counted = database.count_lost(each, told[number])
            if counted:
                told[number] = facts[number]["restored"] = counted
                progress = note(inputs, progress.learned({"databases": facts}), None, "databases")
    except FAILURES as error:
        progress = progress.warned(f"The rows that the restore has undone were not counted: {error}")
    return progress.found({"restored": told})
