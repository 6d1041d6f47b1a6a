# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that describes an app to PM2, of which a switch applies nothing: the app keeps the settings that it has."""

from __future__ import annotations

import re
from typing import List

from ansible_collections.greenlight.release.plugins.module_utils._code.git import changed_between, has_commit
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs

# As people and PM2's own documentation name them, in the folder of the app or of the repository.
_NAMES = re.compile(r"(?:ecosystem|pm2)(?:\.[\w-]+)*\.(?:cjs|mjs|js|json|ya?ml)|(?:process|processes)\.(?:json|ya?ml)")


def warnings(inputs: Inputs) -> List[str]:
    """Return what to say of such files that differ between the revisions. Raises GitError."""
    move = inputs.move
    if not move.from_sha or not all(has_commit(inputs.git, sha) for sha in (move.from_sha, move.to_sha)):
        return []
    changed = [path for path in changed_between(inputs.git, move.from_sha, move.to_sha) if _describes(path, inputs)]
    return [
        f"{path} differs between {move.from_sha[:8]} and {move.to_sha[:8]}, and nothing of it is applied: "
        f"{inputs.processes.app} keeps the settings that it runs with. Apply it with pm2_process (config), or with "
        "pm2 startOrReload, as soon as the release is kept"
        for path in changed
    ]


def _describes(path: str, inputs: Inputs) -> bool:
    folder, _slash, name = path.rpartition("/")
    return folder in ("", inputs.subfolder.strip("/")) and bool(_NAMES.fullmatch(name))
