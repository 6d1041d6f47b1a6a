# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An app with the options of the role's defaults, and what its modules answer while it is well."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._measure import answers, settings

DEFAULTS = Path(__file__).resolve().parent.parent.parent.parent / "roles" / "verify" / "defaults" / "main.yml"
LOG_FILES = [{"path": "/l/out.log", "stream": "out"}]
URL = "http://127.0.0.1:3000/health"


def make_settings(**changes):
    """Return the settings of an app whose health is asked at URL, and that has other options only as given."""
    defaults = {
        name.replace("greenlight_", ""): value
        for name, value in yaml.safe_load(DEFAULTS.read_text(encoding="utf-8")).items()
    }
    return settings.parse_settings({**defaults, "health_url": URL, "response_time_url": URL, **changes})


def probe(name="health", **changes):
    return {"name": name, "healthy": True, "reason": "", "attempts": 3, **changes}


def well(**changes):
    """Return the answers of an app that is well, about a release that was switched to an hour ago."""
    return {
        "since": "switch",
        "record": {
            "age": 3600,
            "record": {
                "id": "r2",
                "opened_at": "2026-02-19T02:00:00Z",
                "facts": {"baseline": {"error_rate": 1.0}},
                "observations": [{"counters": {"jobs": 4}}],
            },
            "watch": {
                "since": {"cursor": {"at": 7}, "known_kinds": {"critical_errors": ["k1"]}, "from_switch": True},
                "baseline_since": {},
                "first_measurements": {"cache_hit_rate": 40.0},
                "restarts": {"total": 1, "last": 3},
                "same_hour": {"at": "2026-02-18T02:30:00Z", "measurements": {"error_rate": 2.0}},
                "rejected_kinds": {},
            },
        },
        "process": {"ready": True, "reason": "", "processes": [{"restarts": 3}], "log_files": [*LOG_FILES]},
        "health": {
            "probes": [probe()],
            "measurements": {"cache_hit_rate": 55.5},
            "unmeasured": [],
            "counters": {"jobs": 9},
        },
        "log": {
            "lines": {"Listening": {"count": 1}, "pool_exhausted": {"count": 0}},
            "kinds": {"critical_errors": [], "new_warnings": []},
            "measurements": {"critical_errors": 0, "error_rate": {"value": 1.0, "samples": 158}},
            "cursor": {"at": 9},
        },
        **changes,
    }


@pytest.fixture
def app():
    """Return settings and answers, with changes of both."""

    def make(results=None, **options):
        given = make_settings(**options)
        return given, answers.parse_answers(given, well() if results is None else results)

    return make
