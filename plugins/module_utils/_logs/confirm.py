# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second look at a rate that seems worse than before: more of the log is read, and counted by itself.

A dependency that is away for a minute makes a rate as bad as a broken release does. What comes afterwards tells them
apart, so whoever wants to act on a rate is told what came since it was first seen to be worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._logs.scan import Scan
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import Counts, surprise
from ansible_collections.greenlight.release.plugins.module_utils._values.numbers import LONGEST, problem_with

_KEYS = ("events", "samples", "line", "floor", "within")
# A rate that is as probable as this where nothing changed is looked at twice.
_DOUBTFUL = 0.001
# So many more events are waited for, at the rate that was seen.
_EVENTS = 5


@dataclass
class SecondLook:
    """What a rate is compared with, for how many seconds more is read, and what there was at the first look."""

    base: Counts
    line: float
    floor: float
    within: float
    first: Optional[Counts] = None
    wanted: int = 0

    def begin(self, now: Counts) -> float:
        """Return for how many seconds more is read, 0 where the rate is no worse or is looked at already."""
        worse = self.first is None and now.events > 0
        if not worse or surprise(now, self.base, self.line, self.floor / 100, 1.0) > _DOUBTFUL:
            return 0.0
        self.first, self.wanted = now, now.total + math.ceil(_EVENTS * now.total / now.events)
        return self.within


def parse_second_looks(given: Mapping[str, Any]) -> Dict[str, SecondLook]:
    """Return the second looks by the name of their rate. Raises LogError."""
    looks = {}
    for name, how in given.items():
        if not isinstance(how, Mapping) or set(how) != set(_KEYS):
            raise LogError(f"confirm {name} needs {', '.join(_KEYS)}")
        for key in _KEYS:
            problem = problem_with(how[key], 0, LONGEST if key == "within" else math.inf)
            if problem:
                raise LogError(f"confirm {name}: {key} {problem}")
        base = Counts(int(how["events"]), int(how["samples"]))
        looks[name] = SecondLook(base, float(how["line"]), float(how["floor"]), float(how["within"]))
    return looks


def begin(looks: Mapping[str, SecondLook], scan: Scan) -> float:
    """Return for how many seconds more is to be read, 0 where no rate is doubtful."""
    return max((look.begin(_counted(scan, name)) for name, look in looks.items()), default=0.0)


def is_waiting(looks: Mapping[str, SecondLook], scan: Scan) -> bool:
    return any(_counted(scan, name).total < look.wanted for name, look in looks.items())


def fresh(looks: Mapping[str, SecondLook], scan: Scan) -> Dict[str, Dict[str, int]]:
    """Return what came since the first look, of the rates that were looked at twice."""
    found = {}
    for name, look in looks.items():
        if look.first is not None:
            now = _counted(scan, name)
            found[name] = {"events": now.events - look.first.events, "samples": now.total - look.first.total}
    return found


def _counted(scan: Scan, name: str) -> Counts:
    counted = scan.rates[name].counted if name in scan.rates else []
    return Counts(sum(block[0] for block in counted), sum(block[1] for block in counted))
