# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that describes an app to PM2: one that is part of the release is applied, any other one only told of."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import changed_between, has_commit
from ansible_collections.greenlight.release.plugins.module_utils._logs import process as logs_process
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction

# As people and PM2's own documentation name them, in the folder of the app or of the repository.
_NAMES = re.compile(r"(?:ecosystem|pm2)(?:\.[\w-]+)*\.(?:cjs|mjs|js|json|ya?ml)|(?:process|processes)\.(?:json|ya?ml)")

# They are for the programs that read a file, not for the file.
_OF_NODE = ("PATH", "NODE_OPTIONS", "NODE_PATH")


def warnings(inputs: Inputs) -> List[str]:
    """Return what to say of such files that differ between the revisions, and are not applied. Raises GitError."""
    move = inputs.move
    if not move.from_sha or not all(has_commit(inputs.git, sha) for sha in (move.from_sha, move.to_sha)):
        return []
    changed = [path for path in changed_between(inputs.git, move.from_sha, move.to_sha) if _describes(path, inputs)]
    return [
        f"{path} differs between {move.from_sha[:8]} and {move.to_sha[:8]}, and nothing of it is applied: "
        f"{inputs.processes.app} keeps the settings that it runs with. Set greenlight_ecosystem to make it a part of "
        "the release, or apply it with pm2_process (config) as soon as the release is kept"
        for path in changed
    ]


def _describes(path: str, inputs: Inputs) -> bool:
    if inputs.ecosystem and inputs.ecosystem.path == path:
        return False
    folder, _slash, name = path.rpartition("/")
    return folder in ("", inputs.subfolder.strip("/")) and bool(_NAMES.fullmatch(name))


def ready(inputs: Inputs, progress: Progress) -> Progress:
    """Read the file of the tree that is in place now, for the start of the processes.

    In a rollback one that cannot be used is a warning: the old revision is to serve. Raises PM2Error.
    """
    try:
        return replace(progress, configs=configs(inputs))
    except PM2Error as error:
        if not inputs.plan.is_rollback:
            raise
        return progress.warned(inputs.processes.host.hide(f"The settings stay as they are now: {error}"))


def log_files(inputs: Inputs, completed: pm2.Completed) -> List[Dict[str, str]]:
    """Return the logs of the release, and where the app writes by its new settings."""
    known = logs_process.parse_files(inputs.log_files)
    started = [(path, stream) for each in completed.outcome.after.instances for path, stream in each.logs]
    found = logs_process.merge([*known, *(started if inputs.ecosystem else [])])
    return [{"path": path, "stream": stream} for path, stream in found]


def configs(inputs: Inputs) -> Dict[str, pm2.Config]:
    """Return the configurations that the file in the running tree has, by the names of the processes.

    An old revision may have no such file: its settings were not changed then. Raises PM2Error.
    """
    described, app = inputs.ecosystem, inputs.processes
    if described is None:
        return {}
    place = layout.root_of(inputs.move) / described.path
    if inputs.plan.is_rollback and not place.is_file():
        return {}
    pm2.refuse_foreign(app.app, [place], app.uid, app.allow_root)
    # Read as lying where PM2 runs the app, so that a link in its path is kept.
    wanted = read(inputs, pm2.EcosystemFile(place, described.env_name or "", place, variables=inputs.beside))
    listed = pm2.read_state(app.host, app.app).processes
    return {name: with_others(config, name, listed, inputs.gone.get(name)) for name, config in wanted.items()}


def read(inputs: Inputs, file: pm2.EcosystemFile) -> Dict[str, pm2.Config]:
    """Return what a file wants of the app and of the others that it describes. Raises PM2Error.

    From then on messages do not show its secrets.
    """
    app = inputs.processes
    given = {"env": dict(app.config.env)} if app.config else {}
    wanted = pm2.read_configs(app.host, file, app.app, app.others, given, os.cpu_count() or 1)
    for config in wanted.values():
        app.host.secrets.update(value for key, value in config.env.items() if redaction.names_secret(key))
    return wanted


def variables_beside(
    inputs: Inputs, described: Optional[pm2.Config], listed: Sequence[Mapping[str, Any]]
) -> Dict[str, str]:
    """Return the variables that the app has from elsewhere than from the file of the revision that it runs.

    The file may ask for them, as with `process.env.PORT || 3000`, which then is what it was when a person started it.
    """
    known = described.env if described else {}
    running = pm2.variables_of(listed, inputs.processes.app, "")
    return {key: value for key, value in running.items() if key not in _OF_NODE and known.get(key) != value}


def with_others(
    config: pm2.Config, name: str, listed: Sequence[Mapping[str, Any]], gone: Optional[FrozenSet[str]] = None
) -> pm2.Config:
    """Return a configuration that also has the variables that a process has from elsewhere, but for those `gone`."""
    wanted, running = replace(config, gone=gone or frozenset()), pm2.named(listed, name)
    return pm2.keep_others(wanted, running[0].get("pm2_env", {})) if running else wanted
