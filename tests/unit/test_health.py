# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _health


@pytest.mark.parametrize(
    "url, shown",
    [
        ("http://user:secret@h:81/p?token=x", "http://h:81/p"),
        ("https://h/p", "https://h/p"),
        ("http://[::1]:81/p", "http://[::1]:81/p"),
        ("user:swordfish@127.0.0.1:3000/health", "a URL that cannot be read"),
        ("http:/u:pw@h", "a URL that cannot be read"),
        ("http://h/u:pw@x", "a URL that cannot be read"),
        ("http://[", "a URL that cannot be read"),
        ("http://h:99999/", "a URL that cannot be read"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert _health.mask_url(url) == shown
