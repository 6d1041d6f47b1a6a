# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a switch writes into its release record, step by step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional

from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress


def note(inputs: Inputs, progress: Progress, stage: Optional[str], *names: str) -> Progress:
    """Write a stage and facts into the release record, which is locked by its run."""
    known = {**progress.facts, "databases": facts_of_databases(inputs, progress)}
    change = replace(inputs.change, stage=stage, facts={name: known[name] for name in names if name in known})
    with store.exclusive(inputs.state_path, inputs.system.uid):
        record = store.find_record(store.read_records(inputs.state_path), inputs.record["id"])
        store.write_record(inputs.state_path, release_record.note(record, change, inputs.system.now()))
    return progress


def facts_of_databases(inputs: Inputs, progress: Progress) -> List[Dict[str, Any]]:
    """Return what is known of each database by now, as the record has it."""
    return [dict(each) for each in progress.facts.get("databases", [each.fact for each in inputs.databases])]
