# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2.ended import watch_end
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from pm2_fakes import instance


def read(*answers):
    """Return what gives these answers, one after another; None is a PM2 that cannot be asked."""
    left = list(answers)

    def read():
        answer = left.pop(0)
        if answer is None:
            raise PM2Error("no daemon")
        return answer

    return read


@pytest.mark.parametrize(
    "first, now, why",
    [
        ([instance()], [], "PM2 has no process shop"),
        ([instance()], [instance(status="errored")], "PM2 says that shop is errored"),
        (None, [instance(status="stopped")], "PM2 says that shop is stopped"),
        ([instance()], [instance(status="stopped"), instance()], ""),
        ([instance()], [instance()], ""),
        ([instance(restarts=3)], [instance(restarts=4)], ""),
        ([instance(restarts=3)], [instance(restarts=5)], "shop ended 2 times meanwhile"),
        (None, [instance(restarts=5)], ""),
        ([instance()], None, ""),
    ],
)
def test_a_process_that_does_not_come_back_is_told(first, now, why):
    assert watch_end("shop", read(first, now))() == why
