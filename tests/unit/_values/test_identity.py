# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values.identity import is_release_id, is_sha


@pytest.mark.parametrize(
    "text, is_one",
    [
        ("0639294c" * 5, True),
        ("0639294c" * 8, True),
        ("0639294C" * 5, False),
        ("0639294c", False),
        ("0639294c" * 6, False),
        ("g639294c" * 5, False),
        ("0639294c" * 5 + "\n", False),
        ("main", False),
        ("", False),
    ],
)
def test_a_full_commit_sha_is_recognised(text, is_one):
    assert is_sha(text) is is_one


@pytest.mark.parametrize(
    "text, is_one",
    [
        ("20260219T020000Z-0639294c", True),
        ("20260219T020000Z-0639294", False),
        ("20260219T020000Z-0639294C", False),
        ("20260219T020000Z-0639294c.partial", False),
        ("../20260219T020000Z-0639294c", False),
        ("20260219-0639294c", False),
        ("", False),
    ],
)
def test_the_id_of_a_release_is_recognised(text, is_one):
    assert is_release_id(text) is is_one
