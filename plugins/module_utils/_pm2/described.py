# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wanted configurations of the processes that an ecosystem file describes."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import config as pm2_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import ecosystem
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import Config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.host import PM2Host


@dataclass(frozen=True)
class EcosystemFile:
    """An ecosystem file in its place, and the block of variables that is taken of it, None where nobody said.

    Where its text lies `elsewhere`, it is read as if it were in its place; the modules that it asks for are then
    searched in `modules` as well. Node has the `variables` while it reads the file.
    """

    place: Path
    env_name: Optional[str] = None
    elsewhere: Optional[Path] = None
    modules: Tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


def read_configs(
    host: PM2Host, file: EcosystemFile, name: str, others: Sequence[str], given: Mapping[str, Any], cpus: int
) -> Dict[str, Config]:
    """Return the configurations of a process and of those among the others that the file describes, by their names.

    What is `given` beside the file counts more, for the first of them. Raises PM2Error.
    """
    searched = {"NODE_PATH": os.pathsep.join(map(str, file.modules))} if file.modules else {}
    program = ecosystem.with_variables(host.program(), {**searched, **file.variables, **given.get("env", {})})
    path = program.environment["PATH"]
    node = shutil.which("node", path=path)
    if not node:
        raise PM2Error(
            f"node was not found next to {program.executable} or on PATH; set executable to the pm2 next to node"
        )
    wanted = (name, *others)
    entries = ecosystem.read_apps(program, node, file.place, wanted, file.env_name or "", file.elsewhere)
    found = {}
    for each, entry in entries.items():
        options = given if each == name else {}
        made = pm2_config.make_config(each, entry, options, file.place.parent, cpus, path)
        found[each] = replace(made, env_name=file.env_name, own=frozenset(options.get("env", {})))
    return found
