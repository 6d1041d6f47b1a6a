# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import (
    NoDaemonError,
    PM2Error,
    ProtocolError,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError


@pytest.mark.parametrize("kind, other", [(NoDaemonError, ProtocolError), (ProtocolError, NoDaemonError)])
def test_both_kinds_are_errors_of_pm2_and_can_be_distinguished(kind, other):
    for expected in (kind, PM2Error, GreenlightError):
        with pytest.raises(expected, match="in words"):
            raise kind("in words")
    assert not issubclass(kind, other)
