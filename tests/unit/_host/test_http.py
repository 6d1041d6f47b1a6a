# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ssl

import pytest
import requests
from ansible_collections.greenlight.release.plugins.module_utils._host.http import explain_failure


def caused(error, cause):
    """Return an error that came while another one was handled, as urllib3 and requests nest theirs."""
    error.__context__ = requests.exceptions.ConnectionError("Max retries exceeded with url: /?token=hunter2")
    error.__context__.__cause__ = cause
    return error


class CertificateError(ValueError):
    """As urllib3 before version 2 has one."""


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNTRUSTED.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    "error, reported",
    [
        (requests.ReadTimeout("hunter2"), "no answer within 3 seconds"),
        (requests.ConnectTimeout("hunter2"), "no answer within 3 seconds"),
        (
            caused(requests.exceptions.SSLError(), UNTRUSTED),
            "the certificate was not accepted: self-signed certificate",
        ),
        (
            caused(requests.exceptions.SSLError(), ssl.SSLCertVerificationError(1, "hunter2")),
            "the certificate was not accepted: it could not be verified",
        ),
        (
            caused(requests.exceptions.SSLError(), CertificateError("hunter2")),
            "the certificate was not accepted: it is for another host",
        ),
        (requests.exceptions.SSLError("hunter2"), "the TLS connection failed"),
        (
            caused(requests.ConnectionError(), ConnectionRefusedError(111, "Connection refused")),
            "connection refused, nothing listens there",
        ),
        (caused(requests.ConnectionError(), None), "the connection failed or was broken off"),
        (
            requests.exceptions.ChunkedEncodingError("Connection broken"),
            "the connection was broken off in the body",
        ),
        (requests.TooManyRedirects("hunter2"), "the request failed (TooManyRedirects)"),
        (FileNotFoundError("hunter2"), "the request failed (FileNotFoundError)"),
    ],
)
def test_a_failure_is_reported_without_the_url(error, reported):
    assert explain_failure(requests, error, timeout=3) == reported
