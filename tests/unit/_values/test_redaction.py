# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction


@pytest.mark.parametrize(
    "text, cleaned",
    [
        ("\x1b[31mred\x1b[0m line \r", "red line"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link", "link"),
        ("nul\x00 bell\x07 back\x08", "nul bell back"),
        ("turned \u202eround", "turned round"),
        ("tab\tstays, a line\ndoes not", "tab\tstays, a linedoes not"),
    ],
)
def test_what_moves_a_terminal_is_removed(text, cleaned):
    assert redaction.clean(text) == cleaned


@pytest.mark.parametrize(
    "text, shown",
    [
        ("password=hunter2 x", "password=*** x"),
        ('"token": "abc123"', '"token": ***'),
        ('"token": "two words", "a": 1', '"token": ***, "a": 1'),
        ("secret='it is one' b", "secret=*** b"),
        ('{\\"password\\":\\"hun ter2\\",\\"a\\":1}', '{\\"password\\":***,\\"a\\":1}'),
        ("DB_PASSWORD=hunter2", "DB_PASSWORD=***"),
        ('"client_secret":"x","id":7', '"client_secret":***,"id":7'),
        ('{"apiKey":"x"}', '{"apiKey":***}'),
        ("GET /x?access_token=abc&b=1", "GET /x?access_token=***&b=1"),
        ("Authorization: Bearer abcdefghijk", "Authorization: ***"),
        ('"authorization":"Basic dTpw","a":1', '"authorization":"***","a":1'),
        ("Cookie: sid=abc; theme=dark", "Cookie: ***"),
        ("sent Bearer abcdefghijk", "sent Bearer ***"),
        ("GET https://user:pw@host/x", "GET https://***@host/x"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_def end", "jwt *** end"),
        ("key AKIAABCDEFGHIJKLMNOP", "key ***"),
        ("ghp_abcdefghijklmnopqrstuvwxyz123456", "***"),
        ("GET https://u:p@ss@h/x", "GET https://***@h/x"),
        ("GET https://u:pa/ss@h/x", "GET https://***@h/x"),
        ("GET https://h:3000/@scope/x", "GET https://h:3000/@scope/x"),
        ("GET https://h/@scope/x?mail=a@b", "GET https://h/@scope/x?mail=a@b"),
        ("sessionId=abc x", "sessionId=*** x"),
        ("connect sid=abc x", "connect sid=*** x"),
        ("aws_access_key=abc", "aws_access_key=***"),
        ("auth: abc", "auth: ***"),
        ("GET /blob?sig=abc&b=1", "GET /blob?sig=***&b=1"),
        ("inside=abc", "inside=abc"),
        ('"password": ["x", "y"], "a": 1', '"password": ***, "a": 1'),
        ('"secret": {"a": {"b": "x"}, "c": "y"}, "d": 1', '"secret": ***, "d": 1'),
        ("password=hun,ter;2 x", "password=*** x"),
        ("{token:abc,id:7}", "{token:***,id:7}"),
        (
            "key -----BEGIN RSA PRIVATE KEY-----\\nMIIE\\n-----END RSA PRIVATE KEY----- x",
            "key -----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY----- x",
        ),
        ("-----BEGIN PRIVATE KEY-----MIIE", "-----BEGIN PRIVATE KEY-----***"),
        ("a token expired at 12:30", "a token expired at 12:30"),
        ("basic auth failed", "basic auth failed"),
    ],
)
def test_secrets_are_replaced(text, shown):
    assert redaction.redact(text) == shown


@pytest.mark.parametrize(
    "name, secret",
    [("accessToken", True), ("Set-Cookie", True), ("Authorization", True), ("status", False), ("data.hits", False)],
)
def test_the_name_of_a_secret_is_known(name, secret):
    assert redaction.names_secret(name) is secret


@pytest.mark.parametrize(
    "text, shown",
    [
        ("y" * 11, "y" * 10 + "..."),
        ("y" * 10, "y" * 10),
        ("y" * 1000, "y" * 10 + "..."),
        ("password=hunter2hunter2", "password=*..."),
        ("a\x1b[2Jb", "ab"),
    ],
)
def test_a_text_is_shown_clean_without_secrets_and_short(text, shown):
    assert redaction.show(text, 10) == shown


def test_a_message_shows_no_secrets():
    hidden = redaction.hide("it is hunter2-long and hunter2 on 80", ["hunter2", "hunter2-long", "80"])
    assert hidden == "it is ******** and ******** on 80"


def test_every_line_of_a_secret_is_hidden():
    hidden = redaction.hide("1: first-line\n1: second-line\n", ["first-line\nsecond-line"])
    assert hidden == "1: ********\n1: ********\n"
