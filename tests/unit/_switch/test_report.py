# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._switch import report
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress, SwitchError
from switch_fakes import NEW, OLD, make_inputs, open_release


@pytest.fixture
def make(tmp_path):
    open_release(tmp_path, tmp_path)
    return lambda **given: make_inputs(tmp_path, **given)


def test_the_result_has_what_the_steps_found_and_what_is_on_record(make):
    progress = Progress(pm2.NOTHING).found({"backups": ["/b"]}).took("check", 0.5)
    result = report.describe(make(), progress, with_diff=False)
    assert (result["changed"], result["steps"][0], result["before"], result["backups"]) == (True, "mark", [], ["/b"])
    assert (result["seconds"], result["story"]["exists"], "diff" in result) == ({"check": 0.5}, True, False)


def test_in_check_mode_nothing_is_said_of_the_record_that_stays_as_it_is(make):
    result = report.describe(make(is_rehearsal=True), Progress(pm2.NOTHING), with_diff=True)
    assert ("story" in result, result["diff"]) == (False, [{"before": f"{OLD}\n", "after": f"{NEW}\n"}])


@pytest.mark.parametrize(
    "progress, found",
    [
        (None, {"seconds": {}}),
        (Progress(pm2.NOTHING).found({"cursor": {}}).took("mark", 1), {"cursor": {}, "seconds": {"mark": 1}}),
    ],
)
def test_a_failure_has_what_the_steps_before_it_found(progress, found):
    assert report.describe_failure(SwitchError("no", "stop", progress)) == {**found, "step": "stop"}
