# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apps as people run them: init writes the variables, a good revision is released without an edit, a bad one is not."""

from __future__ import annotations

import pytest
from shapes import NEW, OLD, SHAPES, Running


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_an_app_is_released_with_the_variables_of_init_and_rolled_back_by_itself(
    shape, shared_pm2, tmp_path, free_port
):
    app = Running(shape, tmp_path, shared_pm2, free_port)
    app.start()
    status, output = app.init()
    assert (status, app.unwritten()) == (0, {}), output
    good = app.change(OLD, NEW)
    status, output = app.deploy()
    assert (status, app.version()) == (0, 2), output
    app.change(NEW, shape.bad)
    status, output = app.deploy()
    assert (status, app.version()) == (2, 2), output
    assert [record["status"] for record in app.records()] == ["watching", "rolled_back"]
    assert app.records()[-1]["from_revision"] == good
