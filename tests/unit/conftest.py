# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import coverage
import pytest
from owners import Owners

_uncounted = False


@pytest.fixture(autouse=True)
def _counted(request):
    """Know whether the lines of a test are counted, for when it forks."""
    global _uncounted
    _uncounted = request.node.get_closest_marker("no_cover") is not None
    yield
    _uncounted = False


def _keep_lines_of_child():
    """Write the lines of a child when it leaves by os._exit, which would take them with it.

    Coverage can do that itself, but then also writes what its parent had counted before, a tenth of a second each time.
    """
    counting, leave = coverage.Coverage.current(), os._exit
    if counting is None:
        return
    if _uncounted:
        counting.stop()
        return

    def save_and_leave(status):
        counting.save()
        leave(status)

    os._exit = save_and_leave


@pytest.fixture(autouse=True, scope="session")
def _counted_children():
    """Coverage begins to count in a child before this, as it has asked for that earlier."""
    counting = coverage.Coverage.current()
    if counting:
        # It would ask again, and begin anew in a child, after each test whose lines are not counted.
        counting.config.patch = []
    os.register_at_fork(after_in_child=_keep_lines_of_child)


@pytest.fixture
def owners(monkeypatch):
    """Give files to other users, as root sees them."""
    return Owners(monkeypatch)
