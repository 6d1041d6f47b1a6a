# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an answer is a good one."""

from __future__ import annotations

from typing import Any, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._health import rule
from ansible_collections.greenlight.release.plugins.module_utils._health.body import parse_json, quote
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer, Probe
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import (
    CONDITIONS,
    describe,
    make_test,
    to_text,
)
from ansible_collections.greenlight.release.plugins.module_utils._values.json_path import JSONPathError
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import names_secret

_MISSING = object()


def judge(probe: Probe, answer: Answer) -> str:
    """Return why an answer is not a good one, "" when it is."""
    if answer.error:
        return answer.error
    problem = _judge_status(probe, answer) if probe.rule is None else rule.problem_by(probe.rule, answer)
    if problem:
        return problem
    if probe.expect_body is not None and answer.body.strip() != probe.expect_body.strip():
        return f"the body is {quote(answer.body)}, expected {probe.expect_body.strip()!r}"
    for text in probe.expect_text:
        if text not in answer.body:
            return f"the body does not contain {text!r}"
    if probe.max_latency is not None and answer.elapsed > probe.max_latency:
        return f"it took {answer.elapsed:.0f} ms, {probe.max_latency:.0f} are allowed"
    headers = {name.lower(): value for name, value in answer.headers.items()} if probe.expect_headers else {}
    for expectation in probe.expect_headers:
        value = headers.get(str(expectation["name"]).lower(), _MISSING)
        problem = _judge_value(f"the header {expectation['name']}", value, expectation)
        if problem:
            return problem
    return _judge_json(probe, answer)


def _judge_status(probe: Probe, answer: Answer) -> str:
    if answer.status in probe.status:
        return ""
    return f"status {answer.status} instead of {', '.join(map(str, probe.status))}"


def _judge_json(probe: Probe, answer: Answer) -> str:
    if not probe.expect_json and not probe.measurements:
        return ""
    try:
        document = parse_json(answer)
    except JSONPathError as error:
        return str(error)
    for expectation in probe.expect_json:
        path = str(expectation["path"])
        problem = _judge_value(path, _find(document, path), expectation)
        if problem:
            return problem
    return ""


def _find(document: Any, path: str) -> Any:
    try:
        return json_path.value_at(document, path)
    except JSONPathError:
        return _MISSING


def _judge_value(subject: str, value: Any, expectation: Mapping[str, Any]) -> str:
    condition = next(condition for condition in CONDITIONS if condition in expectation)
    limit = expectation[condition]
    if condition == "exists":
        exists = value is not _MISSING
        return "" if exists == bool(limit) else f"{subject} {'exists' if exists else 'does not exist'}"
    if value is _MISSING:
        return f"there is no {subject}"
    if make_test(condition, limit)(value):
        return ""
    secret = any(map(names_secret, json_path.names_in(subject.rpartition("the header ")[2])))
    shown, wanted = ("***", "***") if secret else (quote(to_text(value)), repr(limit))
    return f"{subject} is {shown}, expected {describe(condition)} {wanted}"
