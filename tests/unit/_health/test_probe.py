# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import probe


@pytest.mark.parametrize(
    "url, shown",
    [
        ("http://user:secret@h:81/p?token=x", "http://h:81/p"),
        ("https://h/p", "https://h/p"),
        ("http+unix://bob:secret@%2Frun%2FShop.sock/p?token=x", "http+unix://%2Frun%2FShop.sock/p"),
        ("http://[::1]:81/p", "http://[::1]:81/p"),
        ("user:swordfish@127.0.0.1:3000/health", "a URL that cannot be read"),
        ("http:/u:pw@h", "a URL that cannot be read"),
        ("http://h/u:pw@x", "a URL that cannot be read"),
        ("http://[", "a URL that cannot be read"),
        ("http://h:99999/", "a URL that cannot be read"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert probe.mask_url(url) == shown


@pytest.mark.parametrize(
    "url, secrets",
    [
        (
            "http://user:sword%2Ffish@h/p",
            {"user:sword%2Ffish", "user:sword/fish", "user", "sword%2Ffish", "sword/fish"},
        ),
        ("http://apikey@h/p", {"apikey"}),
        ("user:swordfish@h/p", {"user:swordfish", "user", "swordfish"}),
        ("http:/user:swordfish@h", {"user:swordfish", "user", "swordfish"}),
        ("http://h/p?a=1&token=swordfish&b#c", {"swordfish"}),
        ("http://h/p?to%6ben=sword%20fish", {"sword%20fish", "sword fish"}),
        ("http://h/p?mail=a@b", set()),
        ("http://h/p", set()),
        (None, set()),
    ],
)
def test_the_secrets_of_a_url_are_found(url, secrets):
    assert probe.secrets_in(url) == secrets


@pytest.mark.parametrize(
    "given, headers",
    [
        ({}, {}),
        ({"headers": {"Host": "shop.test"}}, {"Host": "shop.test"}),
        ({"user": "bob", "password": "p\xe4ss"}, {"Authorization": "Basic Ym9iOnDDpHNz"}),
        ({"user": "key"}, {"Authorization": "Basic a2V5Og=="}),
        ({"user": "bob", "headers": {"AUTHORIZATION": "Bearer x"}}, {"AUTHORIZATION": "Bearer x"}),
    ],
)
def test_a_user_is_sent_in_a_header_unless_there_is_one(given, headers):
    assert probe.Probe(name="x", url="http://h/", **given).all_headers() == headers
