# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a request of the library requests failed, in words for an operator. The library is an argument."""

from __future__ import annotations

import ssl
from typing import Any, Iterator, Optional


def explain_failure(requests: Any, error: BaseException, timeout: float) -> str:
    """Return why a request failed, without its URL, in which there may be a secret; `timeout` is in seconds."""
    if isinstance(error, requests.Timeout):
        return f"no answer within {timeout:g} seconds"
    if isinstance(error, requests.exceptions.SSLError):
        reason = next((reason for reason in map(_certificate_problem, _causes(error)) if reason), "")
        return f"the certificate was not accepted: {reason}" if reason else "the TLS connection failed"
    if isinstance(error, requests.ConnectionError):
        refused = any(isinstance(cause, ConnectionRefusedError) for cause in _causes(error))
        return "connection refused, nothing listens there" if refused else "the connection failed or was broken off"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection was broken off in the body"
    return f"the request failed ({type(error).__name__})"


def _certificate_problem(error: BaseException) -> str:
    """Return what an error says against a certificate, "" when it says nothing."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(getattr(error, "verify_message", "") or "it could not be verified")
    # Older versions of urllib3 compare the names themselves.
    return "it is for another host" if type(error).__name__ == "CertificateError" else ""


def _causes(error: Optional[BaseException]) -> Iterator[BaseException]:
    """Yield an error and those that led to it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
