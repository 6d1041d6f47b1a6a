# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables with which an app that was found can be released, as YAML with comments."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git
from ansible_collections.greenlight.release.plugins.module_utils._survey.databases import IN_CHECKOUT
from ansible_collections.greenlight.release.plugins.module_utils._survey.health import Health
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess

_HEAD = """\
# What greenlight.release.init saw of {name}. Correct what is wrong; ansible-doc -t role greenlight.release.deploy
# explains every variable. Then rehearse: ansible-playbook greenlight.release.deploy --check --diff
"""
_NO_DATABASE = """\
# No SQLite database was seen, so that nothing is backed up; greenlight_database_path names one.
"""
# What is left of the credentials of a URL.
_HIDDEN = re.compile(r"://\*{3}@")


@dataclass(frozen=True)
class Variable:
    """A variable, its value, and what to know of it. Some are needed for a release, and some are secret."""

    name: str
    value: Any
    about: str
    is_needed: bool = False
    is_secret: bool = False


@dataclass(frozen=True)
class Found:
    """What was seen of an app; what is empty was not seen.

    The first of the `processes` is the one that is measured. `databases` are their paths, and how they were seen.
    `build` is the command, the paths that it makes, and whether the app runs what was built. `styles` are the names of
    those of the lines of its logs. `given` is what a person said, by the names of variables.
    """

    processes: Sequence[AppProcess]
    checkout: Mapping[str, str]
    databases: Tuple[List[str], str] = ([], "")
    health: Health = field(default_factory=Health)
    stats: Tuple[str, str] = ("", "")
    build: Tuple[List[str], List[str], bool] = ([], [], False)
    ecosystem: str = ""
    logs: Sequence[Mapping[str, str]] = ()
    styles: Sequence[str] = ()
    given: Mapping[str, Any] = field(default_factory=dict)

    @property
    def app(self) -> AppProcess:
        return self.processes[0]


def lines_of(found: Found) -> List[Variable]:
    """Return all variables that can be of use. What a person said goes before what was seen."""
    seen = [
        *_of_checkout(found),
        *_of_build(found),
        *_of_processes(found),
        *_of_databases(found),
        *_of_health(found),
        *_of_logs(found),
    ]
    names = {line.name for line in seen}
    said = [_said(line, found.given[line.name]) if found.given.get(line.name) else line for line in seen]
    more = [Variable(name, value, "As it was given to init.") for name, value in sorted(found.given.items())]
    return [*said, *(line for line in more if line.name not in names)]


def _said(line: Variable, value: Any) -> Variable:
    secret = line.is_secret or bool(_HIDDEN.search(git.mask(str(value))))
    return Variable(line.name, value, "As it was given to init.", line.is_needed, secret)


def _of_checkout(found: Found) -> List[Variable]:
    place = found.checkout
    secret = git.mask(place["repository"]) != place["repository"]
    clean = "Its URL has credentials: keep it in a vault, without them here." if secret else "The remote origin."
    return [
        Variable("greenlight_app_name", found.app.name, "Names the release record.", True),
        Variable("greenlight_app_path", place["path"], "The git checkout that PM2 runs.", True),
        Variable("greenlight_app_subfolder", place["subfolder"], "Install, build and migrate run in it."),
        Variable("greenlight_repository", "" if secret else place["repository"], clean, True),
        Variable("greenlight_deploy_key", place["deploy_key"], "core.sshCommand of the checkout names it."),
        Variable("greenlight_revision", place["branch"], "Give another one with -e greenlight_revision=...", True),
    ]


def _of_build(found: Found) -> List[Variable]:
    command, paths, is_run = found.build
    made = ["node_modules", *paths] if paths else []
    about = "The app runs what it makes." if is_run else "It makes what git ignores."
    return [
        Variable("greenlight_build_command", command, about, is_needed=is_run),
        Variable("greenlight_built_paths", made if command else [], "Installed and built beside the running revision."),
    ]


def _of_processes(found: Found) -> List[Variable]:
    """Return the one process with its port, or the list of all of them."""
    app, file = found.app, found.ecosystem
    described = (
        f" {file} describes it; nothing of that is applied unless greenlight_ecosystem names it." if file else ""
    )
    if len(found.processes) == 1 and app.ports:
        many = f" It also serves {', '.join(map(str, app.ports[1:]))}." if len(app.ports) > 1 else ""
        return [
            Variable("greenlight_process_name", app.name, f"The process of PM2.{described}", True),
            Variable("greenlight_port", app.ports[0], f"The app listens there.{many}"),
        ]
    about = f"The processes of PM2, each with what it does. The first is measured.{described}"
    return [Variable("greenlight_processes", [each.as_fact() for each in found.processes], about, True)]


def _of_databases(found: Found) -> List[Variable]:
    paths, seen = found.databases
    if seen == IN_CHECKOUT and len(paths) > 1:
        # Some of them may be copies.
        return [Variable("greenlight_database_path", "", f"No process has {' or '.join(paths)} open now.", True)]
    how = f"No process has it open now, but {seen}." if seen else "Processes of the app have it open."
    if len(paths) > 1:
        return [Variable("greenlight_databases", paths, how.replace("it open", "them open"))]
    return [Variable("greenlight_database_path", "".join(paths), how)]


def _of_health(found: Found) -> List[Variable]:
    health = found.health
    locked = "The health endpoint wants them; a password is better kept in a vault than here."
    return [
        Variable(
            "greenlight_health_url",
            health.url,
            "It answers with status 200, and a good answer of a new revision is one like it.",
            bool(found.app.ports),
        ),
        Variable("greenlight_health_headers", {}, locked, is_needed=health.is_locked, is_secret=True),
        Variable("greenlight_cache_stats_url", found.stats[0], "Without it the hit rate is not measured."),
        Variable("greenlight_cache_hit_rate_path", found.stats[1], "Where the hit rate is in it."),
    ]


def _of_logs(found: Found) -> List[Variable]:
    return [Variable("greenlight_log_files", [dict(file) for file in found.logs], "The app writes them itself.")]


def missing(found: Found) -> List[str]:
    """Return the variables that a release needs and that nobody could see."""
    return [line.name for line in lines_of(found) if line.is_needed and not line.value]


def render(found: Found) -> str:
    """Return the file. What was not seen is a comment; JSON is YAML, and quotes whatever needs it."""
    text = _HEAD.format(name=found.app.name)
    text += "" if found.databases[0] else _NO_DATABASE
    text += f"# Its logs have lines as of {' and '.join(found.styles)}.\n" if found.styles else ""
    for line in lines_of(found):
        if line.is_secret and line.value:
            text += f"\n# {line.about} It was given, and is not written down.\n# {line.name}: \n"
        elif line.value:
            text += f"\n# {line.about}\n{line.name}: {json.dumps(line.value, ensure_ascii=False)}\n"
        elif line.is_needed:
            text += f"\n# {line.about} It was not seen; a release needs it.\n# {line.name}: \n"
    return text
