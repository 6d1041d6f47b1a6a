# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress, SwitchError, failed
from ansible_collections.greenlight.release.plugins.module_utils._switch.steps import SwitchPlan

PLAN = SwitchPlan("forward", "whole", "restart", "a" * 40, "b" * 40)


def test_each_step_adds_to_what_the_others_found_and_changes_nothing_of_it():
    first = Progress(pm2.NOTHING).found({"cursor": 1}).learned({"cursor": 1}).took("mark", 0.12345)
    second = first.found({"backup": "/b"}).learned({"backup": "/b"}).took("back_up", 1).warned("late")
    assert (first.results, first.facts, first.seconds, first.warnings) == (
        {"cursor": 1},
        {"cursor": 1},
        {"mark": 0.123},
        (),
    )
    assert (second.results, second.facts) == ({"cursor": 1, "backup": "/b"}, {"cursor": 1, "backup": "/b"})
    assert (second.seconds, second.warnings) == ({"mark": 0.123, "back_up": 1}, ("late",))


def test_a_failure_says_what_is_true_and_keeps_how_far_it_came():
    progress = Progress(pm2.NOTHING).warned("late")
    error = failed(PLAN, "stop", ValueError("PM2 hangs."), progress)
    assert str(error).startswith("PM2 hangs. What is true now: the app may be stopped, its code is aaaaaaaa")
    assert (error.step, error.progress, error.warnings) == ("stop", progress, ("late",))
    assert SwitchError("no", "check").warnings == ()
