# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The body of an answer, which may be meant to harm, and what it says: its JSON, or a short quotation of it."""

from __future__ import annotations

from typing import Any, Iterable, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.json_path import JSONPathError, TwiceError
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import SHOWN, show

LARGEST_BODY = 1 << 20
PIECE = 1 << 16


def read_body(headers: Any, status: int, pieces: Iterable[bytes], method: str) -> Tuple[str, str]:
    """Read a body as text, and say what is wrong with one that is too long, too short or encoded.

    `headers` are a mapping that knows a name however it is written.
    """
    encoding = headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        return "", f"the body is encoded as {show(encoding, 40)!r}, though that was not asked for"
    received = bytearray()
    for piece in pieces:
        received += piece
        if len(received) > LARGEST_BODY:
            return "", f"the body is longer than {LARGEST_BODY} bytes"
    announced = headers.get("Content-Length", "")
    has_body = method != "HEAD" and status not in (204, 304)
    # Older versions of urllib3 take a body that was broken off for a whole one.
    if has_body and announced.isdecimal() and len(received) < int(announced):
        return "", f"the body was broken off after {len(received)} of {announced} bytes"
    # A byte order mark is no part of the text: https://www.rfc-editor.org/rfc/rfc8259#section-8.1
    return received.decode("utf-8-sig", "replace"), ""


def header_of(answer: Answer, name: str) -> str:
    """Return the value of a header, empty for none; `name` is in lower case."""
    return {each.lower(): value for each, value in answer.headers.items()}.get(name, "")


def parse_json(answer: Answer) -> Any:
    """Return the JSON of an answer. Raises JSONPathError, which quotes what came instead."""
    try:
        return json_path.parse(answer.body)
    except TwiceError as error:
        raise JSONPathError(show(f"the body is ambiguous, {error}", SHOWN)) from None
    except JSONPathError:
        raise JSONPathError(
            f"{show(header_of(answer, 'content-type'), 80) or 'the body'} is no JSON: {quote(answer.body)}"
        ) from None


def quote(text: str, limit: int = SHOWN) -> str:
    """Return the beginning of a text in quotes, without terminal escapes and secrets, on one line."""
    return repr(show(" ".join(text[: 8 * limit].split()), limit))
