# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install and build in the tree of the new revision as the app would: with its variables, its Node and its settings."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._code.build_place import build_place
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Run
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._host import commands
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import heartbeat, kept_output
from ansible_collections.greenlight.release.plugins.module_utils._switch import variables
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction

_ASK_NODE_SECONDS = 20


@dataclass(frozen=True)
class Command:
    """Words, and the folder of the tree that they run in, empty for the tree itself."""

    words: Tuple[str, ...]
    folder: str


@dataclass(frozen=True)
class Build:
    """What to run in the staged tree `stage`; `app` is the name of its process. `log` keeps what is said.

    `lease` is that of the run, which is renewed meanwhile.
    """

    git: Run
    move: Move
    stage: Path
    app: str
    subfolder: str
    commands: Sequence[Command]
    timeout: float
    log: Path
    lease: Optional[heartbeat.Lease] = None


def parse_commands(given: Sequence[Mapping[str, Any]]) -> List[Command]:
    """Return the commands. Raises CommandError for what is none."""
    commands.check([each.get("words") or [] for each in given], "commands")
    return [Command(tuple(each["words"]), commands.inner_folder(str(each.get("folder") or ""))) for each in given]


def build(wanted: Build, state: pm2.State, own: Mapping[str, str]) -> List[str]:
    """Run the commands, and return what there is to warn of. Raises CommandError, GitError, RecordError, OSError."""
    environment = environment_of(wanted, state, own)
    folders = ["", wanted.subfolder, *(command.folder for command in wanted.commands)]
    keeper = kept_output.Keeper(wanted.log, variables.hiding(environment))
    with heartbeat.kept(wanted.lease), build_place(wanted.git, wanted.move, wanted.stage, folders) as place:
        warnings = _other_node(wanted, state, environment)
        for command in wanted.commands:
            heartbeat.refuse_lost(wanted.lease, wanted.move.release_id)
            _run(replace(wanted, stage=place), command, environment, keeper)
    return warnings + keeper.problems


def environment_of(wanted: Build, state: pm2.State, own: Mapping[str, str]) -> Dict[str, str]:
    """Return the variables of the commands. Nobody answers a question that they ask."""
    folders = variables.settings_folders(layout.root_of(wanted.move), wanted.subfolder)
    found = variables.of_the_app(state.processes, wanted.app, own, folders, wanted.move.to_sha)
    return {**found, "CI": "true"}


def _run(wanted: Build, command: Command, environment: Mapping[str, str], keeper: kept_output.Keeper) -> None:
    shown = redaction.show(" ".join(command.words))
    folder = wanted.stage / command.folder
    if not folder.is_dir():
        raise CommandError(f"{shown} cannot run in {folder}, which {wanted.move.to_sha} does not have")
    try:
        commands.run(command.words, folder, environment, wanted.timeout, keeper.keeping(shown))
    except CommandError as error:
        kept = f" (all of it is in {wanted.log})" if wanted.log.is_file() else ""
        raise CommandError(keeper.hide(f"{error}{kept}")) from error


def _other_node(wanted: Build, state: pm2.State, environment: Mapping[str, str]) -> List[str]:
    """Say that the commands run with another Node than the app, which may not load what they compile."""
    runs = next((each.node_version for each in state.instances if each.node_version), "")
    builds = _node_of(environment)
    if not runs or not builds or runs == builds:
        return []
    return [
        f"The commands run with Node {builds}, and PM2 runs {wanted.app} with Node {runs}: modules that one compiles "
        "may not load in the other; put the folder of the app's Node first in the PATH that PM2 starts it with"
    ]


def _node_of(environment: Mapping[str, str]) -> str:
    """Return the version of the Node that the commands find, empty where they find none."""
    try:
        ended = commands.run_group(["env", "node", "--version"], environment, _ASK_NODE_SECONDS)
    except OSError:
        return ""
    return os.fsdecode(ended.output).strip().lstrip("v") if ended.code == 0 else ""
