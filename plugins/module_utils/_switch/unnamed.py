# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases that the app has open and that no variable names: nothing of a release would care for them."""

from __future__ import annotations

from pathlib import Path
from typing import List

from ansible_collections.greenlight.release.plugins.module_utils._host import files, proc
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
from ansible_collections.greenlight.release.plugins.module_utils._switch import processes
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs


def warnings(inputs: Inputs) -> List[str]:
    """Return a sentence for each of them."""
    named = {str(sqlite_api.resolve(Path(each.path))) for each in inputs.databases}
    opened = proc.open_paths(processes.pids(inputs.processes))
    return [
        f"{inputs.processes.app} has the database {path} open, which is neither backed up nor restored; name it in "
        "greenlight_databases, or in greenlight_database_path where it is the only one"
        for path in opened
        if path not in named and files.is_database(Path(path))
    ]
