# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that the roles really document, and variables of a user that are all right."""

from __future__ import annotations

from pathlib import Path

import yaml
from ansible_collections.greenlight.release.plugins.module_utils._options.check import find_problems
from ansible_collections.greenlight.release.plugins.module_utils._options.spec import read_spec

CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
DOCUMENTED = {
    path.parent.parent.name: yaml.safe_load(path.read_text())["argument_specs"]["main"]["options"]
    for path in CHECKOUT.glob("roles/*/meta/argument_specs.yml")
}
DEPLOY = read_spec("deploy", DOCUMENTED)
GOOD = {
    "greenlight_app_name": "shop",
    "greenlight_app_path": "/srv/shop",
    "greenlight_health_url": "http://127.0.0.1:3000/health",
    "greenlight_repository": "https://git.example.com/shop.git",
    "greenlight_revision": "main",
    "greenlight_database_path": "/srv/shop-data/shop.db",
}


def problems(values, task="deploy", unreadable=None):
    given = {**GOOD, **values}
    return find_problems(read_spec(task, DOCUMENTED), [*given, *(unreadable or {})], given, unreadable or {})
