# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios ask a host, from outside."""

from __future__ import annotations

import json
from typing import Any

STATE = "/var/lib/greenlight/sample-app"


def read_json(host: Any, command: str) -> Any:
    return json.loads(host.check_output(command))


def records(host: Any) -> list[dict[str, Any]]:
    """Return all release records, oldest first."""
    decoder, text, found = json.JSONDecoder(), str(host.check_output(f"cat {STATE}/releases/*.json")), []
    while text.strip():
        one, end = decoder.raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found.append(dict(one))
    return found


def record(host: Any) -> dict[str, Any]:
    """Return the newest release record."""
    return records(host)[-1]


def revision(host: Any, branch: str) -> str:
    return str(host.check_output(f"sudo -u sample git -C /srv/git/sample-app rev-parse {branch}"))


def process(host: Any) -> dict[str, Any]:
    """Return what PM2 says of the app."""
    output = host.check_output("sudo -u sample -i pm2 jlist")
    return dict(next(json.loads(line)[0] for line in output.splitlines() if line.startswith("[{")))


def query(host: Any, sql: str) -> str:
    return str(host.check_output(f"sudo -u sample sqlite3 /srv/sample-app-data/app.db '{sql}'"))
