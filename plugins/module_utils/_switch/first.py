# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first release of an app: nothing runs yet, so nobody waits, and there is nothing to roll back to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._code import checkout, git, layout, releases
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._host import commands
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release import kept_output
from ansible_collections.greenlight.release.plugins.module_utils._switch import variables
from ansible_collections.greenlight.release.plugins.module_utils._switch.build import Command
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction


@dataclass(frozen=True)
class First:
    """What to put in place: a commit, commands that install and build, and those that migrate.

    `ecosystem` is the file in the subfolder that describes the app, and `log` keeps what the commands say.
    """

    run: git.Run
    move: Move
    app: str
    subfolder: str
    ecosystem: str
    env_name: str
    build: Sequence[Command]
    migrate: Sequence[Sequence[str]]
    timeout: float
    log: Path

    @property
    def place(self) -> Path:
        """The ecosystem file where PM2 is to find it."""
        return layout.root_of(self.move) / self.subfolder / self.ecosystem


def refuse_known(state: pm2.State, app: str) -> None:
    """Raise PM2Error for an app that PM2 knows already: its releases can be compared and rolled back."""
    if state.instances:
        raise PM2Error(f"PM2 knows {app} already, so this is not its first release; run greenlight.release.deploy")


def put_in_place(first: First, host: pm2.PM2Host, own: Mapping[str, str]) -> List[str]:
    """Put the commit in place, run the commands, and return what to warn of.

    Raises CommandError, GitError, PM2Error, OSError.
    """
    move = first.move
    tree = releases.release_of(move.app_path, move.release_id) if move.kind == "releases" else move.app_path
    if move.kind == "in_place":
        checkout.check_out(first.run, move.app_path, move.to_sha)
    environment = _environment(first, host, own, tree)
    keeper = kept_output.Keeper(first.log, variables.hiding(environment))
    for command in first.build:
        _run(first, command.words, tree / command.folder, environment, keeper)
    if move.kind == "releases":
        releases.forward(move)
    for words in first.migrate:
        _run(first, words, layout.root_of(move) / first.subfolder, environment, keeper)
    return keeper.problems


def take_away(first: First) -> bool:
    """Let nothing lead to the commit any more, and say whether something did. A checkout stays: nothing runs in it."""
    move = first.move
    if move.kind != "releases" or releases.current(move.app_path) != move.release_id:
        return False
    (move.app_path / "current").unlink()
    return True


def _environment(first: First, host: pm2.PM2Host, own: Mapping[str, str], tree: Path) -> Dict[str, str]:
    """Return the variables of the commands: those that the app is to run with."""
    folders = variables.settings_folders(tree, first.subfolder)
    found = variables.of_the_app([], first.app, own, folders, first.move.to_sha)
    copy = tree / first.subfolder / first.ecosystem
    file = pm2.EcosystemFile(first.place, first.env_name, copy, (tree / first.subfolder / "node_modules",))
    described = pm2.read_configs(host, file, first.app, (), {}, os.cpu_count() or 1)[first.app]
    return {**found, **described.env, "CI": "true"}


def _run(
    first: First, words: Sequence[str], folder: Path, environment: Mapping[str, str], keeper: kept_output.Keeper
) -> None:
    shown = redaction.show(" ".join(words))
    try:
        commands.run(words, folder, environment, first.timeout, keeper.keeping(shown))
    except CommandError as error:
        kept = f" (all of it is in {first.log})" if first.log.is_file() else ""
        raise CommandError(keeper.hide(f"{error}{kept}")) from error
