# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from pm2_fakes import fake_kernel, make_fake_host


@pytest.fixture
def kernel(monkeypatch):
    return fake_kernel(monkeypatch)


@pytest.fixture
def host(tmp_path):
    """Return a function that makes a host from a transport; its program notes how often it was searched."""
    return lambda transport: make_fake_host(tmp_path, transport)
