# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a host says of an app that it runs already, and what a person said of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._survey import health, logs, look, place
from ansible_collections.greenlight.release.plugins.module_utils._survey.variables import Found

_USUAL = Path("/var/lib/greenlight")
# Seconds that an instance has to take a connection.
_PATIENCE = 3.0


def survey(params: Mapping[str, Any], environ: Mapping[str, str], home: Path) -> Found:
    """Look at an app, by the options of app_survey. `home` is that of the user. Raises GreenlightError, OSError."""
    timeout, headers = params["timeout"], params["health_headers"]
    pm2_home = pm2.home_of(params["pm2_home"], environ)
    host = pm2.make_host(pm2_home, "auto", params["executable"], timeout, environ, pm2.Clock(), set())
    instances, ports = look.choose(pm2.read_all(host), params["name"], lambda name: ports_of(host, name))
    environment = git.make_environment(environ, {})
    found = place.find(lambda folder: git.make_run(environment, timeout, folder), instances[0])
    known = {name: value for name, value in [*params["given"].items(), *_typed(params["typed"])] if value}
    seen = health.find(ports, known.get("greenlight_health_url", ""), lambda url: health.ask(url, headers))
    own = logs.own_logs(instances)
    commands = [proc.command_line(pid) for pid in proc.with_descendants([instances[0].pid])]
    return Found(
        name=instances[0].name,
        checkout=place.describe(found),
        ports=ports,
        databases=look.databases_of(instances),
        health=seen,
        stats=health.cache_stats_of(seen.url, lambda url: health.ask(url, headers)),
        build=place.build_of(found, instances[0], commands),
        ecosystem=place.ecosystem_of(found, instances[0].name),
        logs=own,
        styles=logs.styles_of(logs.samples(instances, own)),
        given={**known, **_of_the_host(params, instances[0].name, home)},
    )


def _typed(answers: Sequence[Mapping[str, Any]]) -> List[Tuple[str, Any]]:
    """Return names and values of what a person typed; a command is typed as one line."""
    typed = [(str(answer["item"]), str(answer.get("user_input") or "").strip()) for answer in answers]
    return [(name, shlex.split(text) if name.endswith("_command") else git.mask(text)) for name, text in typed]


def ports_of(host: pm2.PM2Host, name: str) -> List[int]:
    """Return the ports that a process serves; in cluster mode the daemon holds them for its workers."""
    return pm2.observe(host, name, pm2.Requirements(), _PATIENCE, 0)[0].ports


def _of_the_host(params: Mapping[str, Any], name: str, home: Path) -> Dict[str, Any]:
    """Return what a person said of the host, and a place for the records where the usual one does not suit."""
    given: Tuple[Tuple[str, Any], ...] = (
        ("greenlight_pm2_home", params["pm2_home"]),
        ("greenlight_pm2_executable", params["executable"] if params["executable"] != "pm2" else None),
        ("greenlight_state_path", params["state_path"] or look.state_path_of(_USUAL / name, home)),
        ("greenlight_health_headers", params["health_headers"]),
    )
    return {variable: value for variable, value in given if value}
