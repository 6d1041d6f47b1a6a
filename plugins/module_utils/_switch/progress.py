# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a switch has come. Every step is given what the steps before it found, and returns that with its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Callable, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._host.watchdog import GivenUp
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.api import Completed, Config, State
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._release.plan import TRUE_NOW
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.api import Ruling
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import SwitchPlan, state_after_failure
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

# What a step may fail with; anything else is a fault of this collection, and is shown as one.
FAILURES = (CommandError, GitError, GivenUp, LogError, OSError, PM2Error, RecordError, SqliteError)


@dataclass(frozen=True)
class Progress:
    """What the steps so far have come to.

    `before` is the app before anything was done. `seconds` are those of every step, `results` what the module returns,
    and `facts` what may be written into the release record. `completed` is what PM2 has done. `stopping` waits until
    PM2 knows that what was stopped has ended, None where nothing is to be waited for. `rulings` say what a rollback
    does with each database, None where only the stop of the app will show it. `diffs` are what an ecosystem file
    changes, and `configs` what it wants of the processes.
    """

    before: State
    seconds: Mapping[str, float] = field(default_factory=dict)
    results: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    completed: Tuple[Completed, ...] = ()
    stopping: Optional[Callable[[], Sequence[Completed]]] = None
    warnings: Tuple[str, ...] = ()
    rulings: Tuple[Optional[Ruling], ...] = ()
    diffs: Tuple[Mapping[str, Any], ...] = ()
    configs: Mapping[str, Config] = field(default_factory=dict)

    def took(self, step: str, seconds: float) -> Progress:
        return replace(self, seconds={**self.seconds, step: round(seconds, 3)})

    def found(self, results: Mapping[str, Any]) -> Progress:
        return replace(self, results={**self.results, **results})

    def learned(self, facts: Mapping[str, Any]) -> Progress:
        return replace(self, facts={**self.facts, **facts})

    def warned(self, *warnings: str) -> Progress:
        return replace(self, warnings=(*self.warnings, *warnings))

    def with_completed(self, *completed: Completed) -> Progress:
        return replace(self, completed=(*self.completed, *completed))


class SwitchError(GreenlightError):
    """A step failed. The message says what is true of the host now, `progress` how far it came, None before a step."""

    def __init__(self, text: str, step: str, progress: Optional[Progress] = None) -> None:
        super().__init__(text)
        self.step = step
        self.progress = progress

    @property
    def warnings(self) -> Tuple[str, ...]:
        return self.progress.warnings if self.progress else ()


def failed(plan: SwitchPlan, step: str, error: Exception, progress: Optional[Progress] = None) -> SwitchError:
    """Return the error of a step with what is true of the host now."""
    text = str(error).rstrip(".")
    return SwitchError(f"{text}. {TRUE_NOW}{state_after_failure(plan, step)}", step, progress)
