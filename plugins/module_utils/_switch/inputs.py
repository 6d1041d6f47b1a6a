# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a switch needs, read from the options of the module and the release record, and never changed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, FrozenSet, Mapping, Optional, Sequence, Set, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git, layout
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Run
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import databases, heartbeat, store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import Change, Record
from ansible_collections.greenlight.release.plugins.module_utils._switch import processes, read_databases
from ansible_collections.greenlight.release.plugins.module_utils._switch.database import Database
from ansible_collections.greenlight.release.plugins.module_utils._switch.processes import Processes
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import SwitchError
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import SwitchPlan
from ansible_collections.greenlight.release.plugins.module_utils._values import app_process
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess, ProcessesError


@dataclass(frozen=True)
class System:
    """What comes from the host that a module runs on: variables, the user, clocks, and a text that is used once."""

    environment: Mapping[str, str]
    uid: int
    now: Callable[[], datetime]
    clock: pm2.Clock
    token: str


@dataclass(frozen=True)
class Described:
    """An ecosystem file that is part of the release: its path in the repository, and the block of variables, if any."""

    path: str
    env_name: Optional[str]


@dataclass(frozen=True)
class Inputs:
    """What a switch needs. `change` is how its run signs what it writes into the record.

    In check mode (`is_rehearsal`) the record may be one that is not on the host (`is_planned`), and the new revision is
    looked for in `repository`; `git_in` returns git for a folder. `gone` are the variables of processes that only the
    ecosystem file of the other revision has, `beside` those that the app has from elsewhere, and `wanted` is what the
    file of the new revision wants of the app, None where nothing is applied or known.
    """

    plan: SwitchPlan
    record: Record
    state_path: Path
    change: Change
    move: Move
    git: Run
    processes: Processes
    databases: Tuple[Database, ...]
    migrate: Sequence[Sequence[str]]
    migrate_timeout: float
    rehearse: str
    allowed_holders: Sequence[str]
    executable: str
    subfolder: str
    system: System
    lease: Optional[heartbeat.Lease] = None
    is_rehearsal: bool = False
    is_planned: bool = False
    trial_port: int = 0
    ecosystem: Optional[Described] = None
    gone: Mapping[str, FrozenSet[str]] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)
    wanted: Optional[pm2.Config] = None
    repository: str = ""
    git_in: Callable[[Path], Run] = lambda _folder: git.make_run({}, 0)

    @property
    def log_files(self) -> Any:
        return self.record["facts"]["log_files"]


def read(
    params: Mapping[str, Any], env: Mapping[str, str], hidden: Set[str], system: System, is_rehearsal: bool
) -> Inputs:
    """Read the options of the module, and the record that they name. Raises RecordError, SwitchError.

    `env` are the variables that the app is started with, `hidden` what messages must not show.
    """
    state_path, is_planned = Path(params["state_path"]), bool(is_rehearsal and params["record"])
    record = params["record"] if is_planned else find_record(state_path, params["release_id"])
    plan, move = plan_of(params, record), move_of(record)
    repository = layout.repository_of(move.kind, move.app_path)
    return Inputs(
        plan,
        record,
        state_path,
        Change(params["run_id"], params["by"], params["lease"]),
        move,
        git.make_run(git.make_environment(system.environment, {}), params["git_timeout"], str(repository)),
        _processes(params, record, plan, env, hidden, system),
        read_databases.read(params, record, plan.is_rollback, system.now, system.token),
        params["migrate"],
        params["migrate_timeout"],
        params["rehearse"],
        params["allowed_holders"],
        params["executable"],
        params["subfolder"],
        system,
        heartbeat.read(params, is_rehearsal),
        is_rehearsal,
        is_planned,
        params["trial_port"] or 0,
        _described(params, record, plan),
        repository=params["repository"] or "",
        git_in=lambda folder: _git_of(params, system, folder),
    )


def _described(params: Mapping[str, Any], record: Mapping[str, Any], plan: SwitchPlan) -> Optional[Described]:
    """Return the ecosystem file of the release. A rollback applies what its release did. Raises SwitchError."""
    noted = record["facts"].get("ecosystem")
    if plan.is_rollback:
        return Described(noted["path"], noted["env_name"]) if noted else None
    if not params["ecosystem"]:
        return None
    path = os.path.normpath(os.path.join(params["subfolder"], params["ecosystem"]))
    if path.startswith(("/", "..")):
        raise SwitchError(f"The ecosystem file {params['ecosystem']!r} must lie in the repository", "check")
    return Described(path, params["ecosystem_env"])


def _git_of(params: Mapping[str, Any], system: System, folder: Path) -> Run:
    settings = git.split_credentials(params["repository"])[1]
    environment = git.make_environment(system.environment, settings, params["deploy_key"])
    return git.make_run(environment, params["git_timeout"], str(folder))


def read_back(params: Mapping[str, Any], env: Mapping[str, str], hidden: Set[str], system: System) -> Inputs:
    """Read the options of a switch forward as those of its own rollback. Raises RecordError, SwitchError."""
    back = {"direction": "back", "phase": "whole", "restart_app": True, "roll_back": False}
    return read({**params, **back}, env, hidden, system, False)


def find_record(state_path: Path, release_id: Optional[str]) -> Record:
    return store.find_record(store.read_records(state_path), release_id)


def plan_of(params: Mapping[str, Any], record: Mapping[str, Any]) -> SwitchPlan:
    is_whole = params["direction"] == "forward" and params["phase"] == "whole"
    count = len(databases.of_facts(record["facts"]))
    # Without a database there is nothing to copy, and only who demands it must be told.
    rehearses = bool(params["migrate"]) and params["rehearse"] in (("auto", "always") if count else ("always",))
    tries = is_whole and params["trial_port"] is not None
    return SwitchPlan(
        params["direction"],
        params["phase"],
        # A rollback may reload where the release did, which `checks.settle` decides.
        "restart" if params["direction"] == "back" else params["strategy"],
        record["from_revision"],
        record["to_revision"],
        params["restart_app"],
        tries or (is_whole and rehearses),
        params["roll_back"],
        params["direction"] == "back" and was_rolled_back(record, params["run_id"]),
        tries,
        count,
    )


def was_rolled_back(record: Mapping[str, Any], run_id: str) -> bool:
    """Say whether this run has rolled its release back when the switch failed.

    Another run comes later, and does not know what became of the host meanwhile.
    """
    return bool(record["facts"].get("rolled_back", {}).get("run_id") == run_id)


def move_of(record: Mapping[str, Any]) -> Move:
    """Return the move of the code that a release record describes; one that names no layout is of a checkout."""
    facts = record["facts"]
    return Move(
        facts.get("layout", "in_place"),
        Path(facts["app_path"]),
        record["id"],
        record["from_revision"],
        record["to_revision"],
        tuple(facts.get("built_paths", ())),
        tuple(facts.get("shared_paths", ())),
        facts.get("local_changes") == "keep",
    )


def _processes(
    params: Mapping[str, Any],
    record: Mapping[str, Any],
    plan: SwitchPlan,
    env: Mapping[str, str],
    hidden: Set[str],
    system: System,
) -> Processes:
    facts, environment, timeout = record["facts"], system.environment, params["timeout"]
    home = pm2.home_of(facts["pm2_home"] or None, environment)
    listed = _listed(facts)
    read = Processes(
        pm2.make_host(home, "auto", params["executable"], timeout, environment, system.clock, hidden),
        system.uid,
        facts["process_name"],
        "reloaded" if plan.reloads else "started",
        _requirements(params, record, listed),
        params["stable_for"],
        timeout,
        timeout if params["start_timeout"] is None else params["start_timeout"],
        timeout if params["stop_timeout"] is None else params["stop_timeout"],
        params["save"],
        pm2.variables_config(facts["process_name"], env),
        tuple(dict.fromkeys(params["restart"])),
        facts.get("watch", {}),
        # A rollback brings back what ran before: to refuse that would only keep it down.
        allow_root=plan.is_rollback,
        schedules=facts.get("schedules", {}),
        listed=listed,
    )
    return read.with_members() if plan.is_rollback or plan.restart_app else read


def _listed(facts: Mapping[str, Any]) -> Tuple[AppProcess, ...]:
    """Return the processes of the release, none where an older version has opened it. Raises SwitchError."""
    try:
        return app_process.of_facts(facts.get("processes") or [])
    except ProcessesError as error:
        raise SwitchError(f"The processes in the release record are wrong: {error}", "check") from error


def _requirements(
    params: Mapping[str, Any], record: Mapping[str, Any], listed: Sequence[AppProcess]
) -> pm2.Requirements:
    """Return what ready means for the app: an option of the module counts more than the record."""
    root = str(layout.root_of(move_of(record)))
    for each in listed if params["port"] is None else ():
        if each.name == record["facts"]["process_name"]:
            return processes.requirements_of(each, root)
    return pm2.Requirements(params["port"], root)
