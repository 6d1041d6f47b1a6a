# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import math
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import limits
from ansible_collections.greenlight.release.plugins.module_utils._pm2.rpc import PM2Error

HOME = Path("/home/shop/.pm2")


def check(home=HOME, **params):
    limits.check({"timeout": 60.0, "stable_for": 5.0, "port": None, **params}, home)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"stable_for": 0.0, "timeout": 0.1},
        {"port": 0},
        {"port": 65535},
        {"kill_timeout": 0, "listen_timeout": 59_999},
        {"kill_timeout": None},
    ],
    ids=str,
)
def test_what_can_be_done_is_accepted(params):
    check(**params)


@pytest.mark.parametrize(
    "params, message",
    [
        ({"timeout": -1.0}, "timeout must be a number of seconds above 0, not -1"),
        ({"timeout": 0.0}, "timeout must be a number of seconds above 0, not 0"),
        ({"timeout": math.nan}, "timeout must be a number of seconds above 0, not nan"),
        ({"stable_for": math.inf}, "stable_for must be a number of seconds from 0, not inf"),
        ({"stable_for": -0.5}, "stable_for must be a number of seconds from 0, not -0.5"),
        ({"port": 65536}, "port must be from 0 to 65535, not 65536"),
        ({"port": -1}, "port must be from 0 to 65535, not -1"),
        ({"home": Path(".pm2")}, "PM2_HOME must be an absolute path, not .pm2"),
        ({"kill_timeout": -1}, "kill_timeout must be a number of milliseconds from 0, not -1"),
        ({"kill_timeout": 60_000}, "kill_timeout of 60000 ms must be shorter than timeout of 60 seconds"),
        ({"listen_timeout": 90_000}, "listen_timeout of 90000 ms must be shorter than timeout of 60 seconds"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_value(params, message):
    with pytest.raises(PM2Error, match=message):
        check(**params)
