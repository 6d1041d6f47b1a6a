# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deploy does on one host: its steps in their order, whether it may begin, and how it ends when a step fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, FrozenSet, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._values.duration import DurationError, parse_duration

# What a rollback does with the database: see greenlight_rollback_database.
DATABASE = ("auto", "restore", "keep")

# A file with tasks of the role deploy, and its variables: {"tasks": "hook", "hook": "drain"}.
Step = Dict[str, str]


# How a failed step of a switch begins to say what is true of the host.
TRUE_NOW, TRUE_THEN = "What is true now: ", "What was true before the rollback: "


@dataclass(frozen=True)
class Deploy:
    """What decides over the steps of a deploy.

    `already` says that the host runs the revision, `staged` that the new tree is built while the old one runs.
    `saves` and `starts_at_boot` are what PM2 does. `copies` says that backups are copied off the host. `hooks` are
    those that have task files, and `events` those that somebody is notified of.
    """

    already: bool
    staged: bool
    check_mode: bool = False
    auto_adjust: bool = False
    saves: bool = False
    starts_at_boot: bool = False
    copies: bool = False
    hooks: FrozenSet[str] = frozenset()
    events: FrozenSet[str] = frozenset()


@dataclass(frozen=True)
class Failure:
    """A deploy that failed. `closed_id` is the release that was closed last on this host, empty for none.

    With `already` the host ran the revision, and nothing was released.
    """

    app: str
    release_id: str
    from_revision: str
    check_mode: bool
    closed_id: str
    already: bool = False


def plan_steps(deploy: Deploy) -> List[Step]:
    """Return the steps of a deploy. What is not used has no step, so that it costs no task."""
    release: List[Step] = [{"tasks": "already"}] if deploy.already else _release_steps(deploy)
    boots = not deploy.check_mode and (deploy.saves or deploy.starts_at_boot)
    # A copy takes its time, and by then all else is done.
    copies = deploy.copies and not deploy.already and not deploy.check_mode
    last = _step_if(copies, "copy_backup", of="switch")
    return [*_step_if(deploy.starts_at_boot, "boot_check"), *release, *_step_if(boots, "boot"), *last]


def _step_if(wanted: bool, tasks: str, **variables: str) -> List[Step]:
    return [{"tasks": tasks, **variables}] if wanted else []


def _release_steps(deploy: Deploy) -> List[Step]:
    stage = _step_if(deploy.staged, "stage")
    if deploy.check_mode:
        # Hooks and notifications act on what lies outside of the host, so a rehearsal has none.
        return [*stage, *_copy_first(deploy), {"tasks": _switch_file(deploy), "phase": "whole"}, {"tasks": "rehearse"}]
    return [
        *_notify(deploy, "start"),
        *stage,
        *_copy_first(deploy),
        *_switch_steps(deploy),
        {"tasks": "judge_and_adjust" if deploy.auto_adjust else "judge"},
        *_notify(deploy, "decision"),
        {"tasks": "conclude"},
        *_notify(deploy, "success"),
        *_step_if(deploy.staged, "prune"),
    ]


def _switch_steps(deploy: Deploy) -> List[Step]:
    """Return the switch with the hooks around it; a hook that migrates divides it in two."""
    phases = ("before_migrate", "from_migrate") if "migrate" in deploy.hooks else ("whole",)
    first, *rest = [{"tasks": _switch_file(deploy), "phase": phase} for phase in phases]
    return [
        *_hook(deploy, "drain"),
        *_hook(deploy, "before_switch"),
        first,
        *_hook(deploy, "migrate"),
        *rest,
        *_hook(deploy, "after_switch"),
        *_hook(deploy, "undrain"),
    ]


def _copy_first(deploy: Deploy) -> List[Step]:
    """Return the steps that take the snapshot and copy it, before the host is drained: the copy may take long."""
    return [*_step_if(deploy.copies, "snapshot"), *_step_if(deploy.copies, "copy_backup", of="snapshot")]


def _switch_file(deploy: Deploy) -> str:
    return "switch_over" if deploy.copies else "switch"


def _hook(deploy: Deploy, name: str) -> List[Step]:
    return _step_if(name in deploy.hooks, "hook", hook=name)


def _notify(deploy: Deploy, event: str) -> List[Step]:
    return _step_if(event in deploy.events, "notify", event=event)


def needs_stage(layout: str, commands: Sequence[Any], migrate: Sequence[Any] = (), rehearse: str = "never") -> bool:
    """Say whether the new tree is made while the old one runs; without commands a checkout in place is enough.

    `commands` install and build, and those that `migrate` are tried there first unless `rehearse` is never.
    """
    return layout == "releases" or bool(commands) or (bool(migrate) and rehearse != "never")


def refuse(rollback_database: str, outside_hours: str, ignore_hours: bool, restore_within: Any = 0) -> str:
    """Return why a release must not begin, "" when it may. `outside_hours` says why the time is wrong.

    A rollback would refuse a wrong greenlight_rollback_database, and then it would be too late. So it is with
    greenlight_restore_within.
    """
    if rollback_database not in DATABASE:
        return f"greenlight_rollback_database must be auto, restore or keep, and not {rollback_database}"
    try:
        parse_duration(restore_within)
    except DurationError as error:
        return f"greenlight_restore_within: {error}"
    if outside_hours and not ignore_hours:
        return f"{outside_hours}; set greenlight_ignore_hours to release all the same"
    return ""


def must_roll_back(failure: Failure) -> bool:
    """Say whether a failed deploy is rolled back: not when it had changed nothing, nor after its release was closed.

    What fails after that, such as the service that starts PM2 at boot, says nothing against the revision.
    """
    return not failure.check_mode and not failure.already and failure.closed_id != failure.release_id


def describe_end(failure: Failure, record: Optional[Mapping[str, Any]], reason: str) -> str:
    """Return what became of a failed deploy, and why. `record` is the release as the rollback found it."""
    if not must_roll_back(failure):
        return reason
    untouched = record is not None and record["stage"] == "opened"
    end = "aborted, nothing was changed" if untouched else f"rolled back to {failure.from_revision}"
    # What was true when the step failed is not true after the rollback.
    return f"Release {failure.release_id} of {failure.app} was {end}: {reason.replace(TRUE_NOW, TRUE_THEN)}"
