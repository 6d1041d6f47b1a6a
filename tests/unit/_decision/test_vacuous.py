# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._decision.vacuous import find_vacuous

SOUND = {
    "probes": [{"name": "health", "healthy": True, "reason": ""}],
    "unmeasured": [],
    "lines": {"Listening": {"count": 0}, "pool_exhausted": {"count": 2}},
    "required": ["Listening"],
    "absent": [],
    "unsearched": [],
    "rates": {"error_rate": {"count": '"statusCode":5', "of": '"statusCode":'}},
    "gauges": ["cache_hit_rate"],
    "measurements": {"error_rate": {"value": 0.0, "samples": 10}, "cache_hit_rate": 81.5},
    "readings": {"cache_hit_rate": [80.0, 81.5, 81.5, 82.0]},
}
BY_STYLE = {"error_rate": {"requests": "failed"}}


@pytest.mark.parametrize("rates", [SOUND["rates"], BY_STYLE])
def test_sound_checks_are_not_complained_about(rates):
    """By its style a request that fails is known, though none did."""
    assert find_vacuous({**SOUND, "rates": rates}) == []


@pytest.mark.parametrize(
    "tried, sentence",
    [
        (
            {"probes": [{"name": "cache statistics", "healthy": False, "reason": "status 404 instead of 200"}]},
            "probe cache statistics: status 404 instead of 200",
        ),
        ({"unmeasured": ["cache: hits was not measured"]}, "cache: hits was not measured"),
        (
            {"lines": {"Listening": {"count": 3}}},
            "required line 'Listening': the log of the running revision has it already",
        ),
        ({"absent": ["[Pp]ool full"]}, "pattern '[Pp]ool full': neither the logs nor the sources of the app have it"),
        ({"unsearched": ["(?<=a)b"]}, "pattern '(?<=a)b': grep cannot search for it in the sources"),
        (
            {"measurements": {"cache_hit_rate": 81.5}},
            "error_rate: no line of the log has '\"statusCode\":', so no request would be counted",
        ),
        (
            {"rates": {"error_rate": {"count": "status=5", "of": '"statusCode":'}}},
            "error_rate: no line of the log has 'status=5', so it is not known to count failures",
        ),
        (
            {"rates": BY_STYLE, "measurements": {"cache_hit_rate": 81.5}, "styles": ["nest"]},
            "error_rate: no line of the log tells of a request, in styles: nest; let the app log its requests, as "
            "morgan, pino-http and Fastify do, name the access log of its web server in greenlight_log_files, or set "
            "greenlight_error_rate",
        ),
        (
            {"readings": {"cache_hit_rate": [80.0, 81.5, 81.5]}},
            "cache_hit_rate: it was 81.5 in the last 3 readings, so it may never vary",
        ),
        (
            {"readings": {}, "measurements": {**SOUND["measurements"], "cache_hit_rate": {"value": 0}}},
            "cache_hit_rate: it is 0, as it would be if nothing were counted",
        ),
    ],
)
def test_a_check_that_says_nothing_is_named(tried, sentence):
    assert find_vacuous({**SOUND, **tried}) == [sentence]


@pytest.mark.parametrize(
    "tried",
    [
        # Two readings alike may be chance, and a metric that was not measured is named by its probe.
        {"readings": {"cache_hit_rate": [81.5]}},
        {"readings": {}},
        {"measurements": {"error_rate": {"value": 0.5, "samples": 200}}},
        {
            "rates": {"error_rate": {"count": "status=5", "of": '"statusCode":'}},
            "measurements": {"error_rate": {"value": 0.5, "samples": 200}},
        },
        {"measurements": {**SOUND["measurements"], "cache_hit_rate": 0}},
    ],
)
def test_what_may_still_vary_is_let_pass(tried):
    assert find_vacuous({**SOUND, **tried}) == []
