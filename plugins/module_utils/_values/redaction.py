# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text of an app made fit to be shown: no terminal escapes, no secrets, not long."""

from __future__ import annotations

import re
from typing import Iterable

SHOWN = 300
# A shorter value would tear holes into a text wherever it occurs by chance.
SHORTEST_SECRET = 6
# CSI, OSC and two-character sequences of ECMA-48. None of them goes beyond its line.
ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]*(?:\x07|\x1b\\)|[@-Z\\-_])"
_ESCAPES = re.compile(ESCAPES)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SECRET_NAME = (
    r"(?:[\w-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|(?:api|private|access)[_-]?key|credentials?"
    r"|session[_-]?id|signature)[\w-]*|(?:[\w-]*[_-])?(?:sid|sig|auth))"
)
_QUOTE = r"\\*[\"']"
_SECRETS = (
    # A header's value goes to the end of its line, or of the text that it is quoted in.
    re.compile(rf"(?i)(\b(?:proxy-)?(?:authorization|(?:set-)?cookie)(?:{_QUOTE})?\s*[=:]\s*(?:{_QUOTE})?)[^\"'\n\\]+"),
    re.compile(
        rf"(?i)((?<![\w-]){_SECRET_NAME}(?:{_QUOTE})?\s*[=:]\s*)"
        rf"(?:{_QUOTE}(?:(?!{_QUOTE}).)*(?:{_QUOTE})?"
        # A list, and an object with objects in it.
        r"|\[[^\]]*\]?|\{(?:[^{}]|\{[^{}]*\})*\}?"
        # A comma ends a value only where the next name follows.
        r"|(?:[^\s\"',;&}\\]|[,;](?=[^\s\"',;&}\\])(?![\w.-]+\s*[=:]))+)"
    ),
    re.compile(r"(?i)(\b(?:bearer|basic)\s+)[a-z0-9._~+/=-]{8,}"),
    # A password may hold an at sign or a slash; a port may not.
    re.compile(r"(\w://)(?:[^\s/?#@\"'<>]*:(?!\d+/)[^\s?#\"'<>]*|[^\s/?#\"'<>]+)(?=@)"),
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?=-----END|\Z)"),
    # JSON web tokens, and keys that GitHub, AWS, Stripe and Slack mark by how they begin.
    re.compile(
        r"\b()(?:eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|gh[pousr]_\w{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
        r"|[sr]k_(?:live|test)_\w{10,}|xox[a-z]-[\w-]{10,})"
    ),
)


_SECRETIVE = re.compile(rf"(?i){_SECRET_NAME}|.*(?:authorization|cookie)")


def names_secret(name: str) -> bool:
    """Say whether what is called by a name is likely to be a secret."""
    return _SECRETIVE.fullmatch(name) is not None


def clean(text: str) -> str:
    """Return a text without colours, control characters, and marks that turn its direction."""
    return _CONTROL.sub("", _ESCAPES.sub("", text)).rstrip()


def redact(text: str) -> str:
    """Return a text with everything that looks like a secret replaced by `***`."""
    for pattern in _SECRETS:
        text = pattern.sub(r"\1***", text)
    return text


def hide(text: str, secrets: Iterable[str]) -> str:
    """Return a text without secrets that are known, such as the values of variables. Short ones are none.

    Of a secret of several lines each one is hidden, as something may have been put before them.
    """
    known = {part for secret in secrets for part in (secret, *secret.splitlines())}
    for secret in sorted((each for each in known if len(each) >= SHORTEST_SECRET), key=len, reverse=True):
        text = text.replace(secret, "********")
    return text


def show(text: str, limit: int = SHOWN) -> str:
    """Return the beginning of a text as it may be shown: clean, without secrets, cut after `limit` characters."""
    # A secret that the cut would halve is replaced first; what lies far behind the cut need not be searched.
    shown = redact(clean(text[: 8 * limit]))
    return shown[:limit] + ("..." if len(shown) > limit or len(text) > 8 * limit else "")
