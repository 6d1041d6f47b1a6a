# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the questions of the role make of lines that real stacks wrote."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import read_rules
from ansible_collections.greenlight.release.plugins.module_utils._logs.scan import Scan
from ansible_collections.greenlight.release.plugins.module_utils._measure import answers, questions, settings

ROOT = Path(__file__).resolve().parents[3]
RECORDED = ROOT / "tests" / "unit" / "recordings" / "logs"
STACKS = sorted(path.stem for path in RECORDED.glob("*.log"))
# Express and Nest write no line for a request by themselves.
SILENT = ("express4-plain", "express5-plain", "nest")


def ask(**changes):
    """Return the questions of the role with its defaults."""
    defaults = yaml.safe_load((ROOT / "roles" / "verify" / "defaults" / "main.yml").read_text(encoding="utf-8"))
    options = {name.replace("greenlight_", ""): value for name, value in defaults.items()}
    url = {"health_url": "http://127.0.0.1/health", "response_time_url": "http://127.0.0.1/"}
    known = settings.parse_settings({**options, **url, **changes})
    return questions.ask(known, answers.parse_answers(known, {}))["log"]


def scanned(lines, known=None, **changes):
    log = ask(**changes)
    scan = Scan(read_rules(log), known or {})
    scan.add("", ["".join(f"{line}\n" for line in lines).encode()])
    return scan


def counted_requests(scan):
    """Return how many requests failed, and how many there are."""
    blocks = scan.rates["error_rate"]
    return sum(events for events, _total in blocks.counted), blocks.total


def lines_of(stack):
    return (RECORDED / f"{stack}.log").read_text(encoding="utf-8").splitlines()


def without_crash(stack):
    """Return the lines before the error that ended the app."""
    lines = lines_of(stack)
    ends = [
        number for number, line in enumerate(lines) if "common.js:4" in line or "uncaught exception" in line.lower()
    ]
    return lines[: ends[0]]


@pytest.mark.parametrize("stack", STACKS)
def test_requests_and_failed_ones_are_counted_once(stack):
    assert counted_requests(scanned(lines_of(stack))) == ((0, 0) if stack in SILENT else (2, 9))


@pytest.mark.parametrize("stack", STACKS)
def test_an_error_that_ended_the_app_is_critical(stack):
    found = scanned(lines_of(stack)).tallies["critical_errors"]
    assert found.count >= 1
    assert "the pool is gone" in found.last


@pytest.mark.parametrize("stack", STACKS)
def test_a_wrong_request_and_an_address_with_a_word_are_not_critical(stack):
    scan = scanned(without_crash(stack))
    assert scan.tallies["critical_errors"].count == 0, scan.tallies["critical_errors"].last


@pytest.mark.parametrize("stack", STACKS)
def test_each_error_of_the_app_is_seen_once(stack):
    scan = scanned(without_crash(stack))
    # pino-http says an error in the line of its request, which is counted as a request.
    assert scan.tallies["new_errors"].count == (0 if stack == "pino-http" else 2), scan.tallies["new_errors"]


@pytest.mark.parametrize("stack", STACKS)
def test_a_day_later_nothing_is_new(stack):
    lines = lines_of(stack)
    later = [a_day_later(line) for line in lines]
    known = scanned(lines).kinds_found()
    assert later != lines
    scan = scanned(later, known)
    assert {name: scan.tallies[name].count for name in known} == dict.fromkeys(known, 0)


def a_day_later(line):
    """Return a line as the same app writes it a day later, in another process and from another client."""
    line = line.replace("2026-11-28", "2026-11-29").replace("28/Nov/2026", "29/Nov/2026")
    line = line.replace("11/28/2026, 3:", "11/29/2026, 11:").replace(" AM ", " PM ").replace("Sat Nov 28", "Sun Nov 29")
    line = re.sub(r"\b1795(\d{9})\b", r"1796\1", line)
    line = re.sub(r"(pid\":|\[Nest\] |\()1(\d{4})\b", r"\g<1>2\2", line)
    return re.sub(r":41(\d\d)\b|on 41(\d\d)", r":52\1", line).replace("127.0.0.1", "10.1.2.3")


def test_with_whole_lines_an_address_with_a_word_is_critical():
    line = "GET /search?q=FATAL 200 1.5 ms - 12"
    assert scanned([line]).tallies["critical_errors"].count == 0
    assert scanned([line], log_style="custom").tallies["critical_errors"].count == 1


# What apps wrote when they were ill, each of which was unseen or misjudged before.
@pytest.mark.parametrize(
    "lines, critical, errors",
    [
        (["Error: SQLITE_BUSY: database is locked"], 0, 1),
        (["SqliteError: database disk image is malformed"], 1, 1),
        (["Error: EMFILE: too many open files, open '/srv/a'"], 0, 1),
        (["Error: listen EADDRINUSE: address already in use :::3000"], 1, 1),
        (["PrismaClientInitializationError: Can't reach database server at `db:5432`"], 0, 1),
        (["ConnectionError [SequelizeConnectionError]: connect ETIMEDOUT"], 0, 1),
        (
            [
                "Error: The module '/srv/x.node' was compiled against a different Node.js version using",
                "NODE_MODULE_VERSION 108.",
            ],
            1,
            1,
        ),
        (["[2026-02-19T02:00:00.123] [ERROR] default - the sync is late"], 0, 1),
        (['{"level":"error","message":"the sync is late","timestamp":"2026-02-19T02:00:00Z"}'], 0, 1),
        (['{"level":60,"time":1,"pid":1,"hostname":"a","msg":"the sync is gone"}'], 1, 1),
        (["TypeError: Cannot read properties of undefined (reading 'id')", "    at list (/srv/items.js:1:2)"], 1, 1),
        (["SyntaxError: Unexpected token 'export'", "    at wrapSafe (node:internal/modules/cjs/loader:1:2)"], 1, 1),
        (["BadRequestError: request aborted", "    at onAborted (/srv/node_modules/raw-body/index.js:245:10)"], 0, 0),
        (["URIError: Failed to decode param '/%E0'"], 0, 0),
        (['{"level":50,"msg":"x","err":{"type":"NotFound","message":"no","statusCode":404}}'], 0, 0),
        (["Error: the row is gone", "    at x (/srv/a.js:1:2) {", "  code: 'SQLITE_CORRUPT'", "}"], 1, 1),
        (["Error: the row is gone", "    at TypeError (/srv/a.js:1:2)"], 0, 1),
        (["2026-02-19T02:00:00: Error: x", "2026-02-19T02:00:00:     at y (/srv/a.js:1:2)"], 0, 1),
        (["Sync failed 0 errors", "0 Errors"], 0, 0),
        (['{"level":30,"msg":"done","error":null}'], 0, 0),
        (['{"message":"TypeError: x\\n","timestamp":"t","type":"err","process_id":0,"app_name":"shop"}'], 1, 1),
    ],
)
def test_an_error_is_judged_by_what_it_says(lines, critical, errors):
    scan = scanned(lines)
    found = {name: scan.tallies[name].count for name in ("critical_errors", "new_errors")}
    assert found == {"critical_errors": critical, "new_errors": errors}
