# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables with which an app that was found can be released, as YAML with comments."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git

_HEAD = """\
# What greenlight.release.init saw of {name}. Correct what is wrong; ansible-doc -t role greenlight.release.deploy
# explains every variable. Then rehearse: ansible-playbook greenlight.release.deploy --check --diff
"""


@dataclass(frozen=True)
class Found:
    """What was seen of an app; what is empty was not seen."""

    name: str
    checkout: Dict[str, str]
    ports: Sequence[int]
    databases: Sequence[str]
    health: Tuple[str, List[Dict[str, Any]]]
    stats: Tuple[str, str]
    given: Dict[str, str]


def lines_of(found: Found) -> List[Tuple[str, Any, str, bool]]:
    """Return name, value, what to know of it, and whether a release needs it."""
    place = found.checkout
    several = f" It also has {', '.join(found.databases[1:])} open." if len(found.databases) > 1 else ""
    many = f" It also serves {', '.join(map(str, found.ports[1:]))}." if len(found.ports) > 1 else ""
    secret = git.mask(place["repository"]) != place["repository"]
    repository = "" if secret else place["repository"]
    clean = "Its URL has credentials: keep it in a vault, without them here." if secret else "The remote origin."
    return [
        ("greenlight_app_name", found.name, "Names the release record.", True),
        ("greenlight_process_name", found.name, "The process of PM2.", True),
        ("greenlight_app_path", place["path"], "The git checkout that PM2 runs.", True),
        ("greenlight_app_subfolder", place["subfolder"], "Install, build and migrate run in it.", False),
        ("greenlight_repository", repository, clean, True),
        ("greenlight_deploy_key", place["deploy_key"], "core.sshCommand of the checkout names it.", False),
        ("greenlight_revision", place["branch"], "Give another one with -e greenlight_revision=...", True),
        ("greenlight_database_path", "".join(found.databases[:1]), f"A process of the app has it open.{several}", True),
        ("greenlight_port", found.ports[0] if found.ports else 0, f"The app listens there.{many}", False),
        ("greenlight_health_url", found.health[0], "It answers with status 200.", True),
        (
            "greenlight_health_expect",
            found.health[1],
            "What it answers today; empty for an answer like those of the running revision.",
            False,
        ),
        ("greenlight_cache_stats_url", found.stats[0], "Without it the hit rate is not measured.", False),
        ("greenlight_cache_hit_rate_path", found.stats[1], "Where the hit rate is in it.", False),
        *[(name, value, "As it was given to init.", False) for name, value in sorted(found.given.items())],
    ]


def missing(found: Found) -> List[str]:
    """Return the variables that a release needs and that nobody could see."""
    return [name for name, value, _about, needed in lines_of(found) if needed and not value]


def render(found: Found) -> str:
    """Return the file. What was not seen is a comment; JSON is YAML, and quotes whatever needs it."""
    text = _HEAD.format(name=found.name)
    for name, value, about, needed in lines_of(found):
        if value or name == "greenlight_health_expect":
            text += f"\n# {about}\n{name}: {json.dumps(value, ensure_ascii=False)}\n"
        elif needed:
            text += f"\n# {about} It was not seen; a release needs it.\n# {name}: \n"
    return text
