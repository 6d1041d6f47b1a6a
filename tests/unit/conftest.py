# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from owners import Owners


@pytest.fixture
def owners(monkeypatch):
    """Give files to other users, as root sees them."""
    return Owners(monkeypatch)
