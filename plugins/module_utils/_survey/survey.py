# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a host says of an app that it runs already, and what a person said of it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git
from ansible_collections.greenlight.release.plugins.module_utils._host import proc, sockets
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._survey import databases, health, logs, look, place
from ansible_collections.greenlight.release.plugins.module_utils._survey.variables import Found
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess

_USUAL = Path("/var/lib/greenlight")
# Seconds that an instance has to take a connection.
_PATIENCE = 3.0


def survey(params: Mapping[str, Any], environ: Mapping[str, str], user_home: Path) -> Found:
    """Look at an app, by the options of app_survey. Raises GreenlightError, OSError."""
    environment, headers = git.make_environment(environ, {}), params["health_headers"]

    def make_run(folder: str) -> git.Run:
        return git.make_run(environment, params["timeout"], folder)

    known, doing = _processes(params, environ)
    homes = {each.name: place.home(make_run, each) for instances in known.values() for each in instances[:1]}
    name = look.choose(known, doing, params["name"], homes)
    found = place.find(make_run, known[name][0])
    held = {each: set(databases.opened(known[each])) for each in known}
    belongs = [each for each in known if homes[each] == homes[name] or held[each] & held[name]]
    members = look.members(doing, name, belongs)
    instances = [each for member in members for each in known[member.name]]
    given = {key: value for key, value in [*params["given"].items(), *_typed(params["typed"])] if value}

    def ask(url: str) -> Tuple[int, str]:
        return health.ask(url, headers)

    seen = health.find(members[0], given.get("greenlight_health_url", ""), ask)
    own = logs.own_logs(instances)
    commands = [proc.command_line(pid) for pid in proc.with_descendants([each.pid for each in known[name] if each.pid])]
    return Found(
        processes=members,
        checkout=place.describe(found),
        databases=databases.find(instances, found.path),
        health=seen,
        stats=health.cache_stats_of(seen.url, ask),
        build=place.build_of(found, known[name][0], commands),
        ecosystem=place.ecosystem_of(found, name),
        logs=own,
        styles=logs.styles_of(logs.samples(instances, own)),
        given={**given, **_of_the_host(params, name, user_home)},
    )


def _processes(
    params: Mapping[str, Any], environ: Mapping[str, str]
) -> Tuple[Dict[str, List[pm2.Instance]], Dict[str, AppProcess]]:
    """Return the instances of all processes of PM2, and what each process does."""
    pm2_home = pm2.home_of(params["pm2_home"], environ)
    host = pm2.make_host(pm2_home, "auto", params["executable"], params["timeout"], environ, pm2.Clock(), set())
    known = look.by_name(pm2.read_all(host))
    return known, look.roles(known, lambda name: _served_by(host, known[name]))


def _served_by(host: pm2.PM2Host, instances: Sequence[pm2.Instance]) -> Tuple[List[int], List[str]]:
    """Return the ports and the unix sockets of a process; in cluster mode the daemon holds the ports of its workers."""
    ports = pm2.observe(host, instances[0].name, pm2.Requirements(), _PATIENCE, 0)[0].ports
    family = proc.with_descendants([each.pid for each in instances if each.pid])
    return ports, sockets.unix_listeners(proc.sockets_of(family))


def _typed(answers: Sequence[Mapping[str, Any]]) -> List[Tuple[str, Any]]:
    """Return names and values of what a person typed; a command is typed as one line."""
    typed = [(str(answer["item"]), str(answer.get("user_input") or "").strip()) for answer in answers]
    return [(name, shlex.split(text) if name.endswith("_command") else git.mask(text)) for name, text in typed]


def _of_the_host(params: Mapping[str, Any], name: str, user_home: Path) -> Dict[str, Any]:
    """Return what a person said of the host, and a place for the records where the usual one does not suit."""
    given: Tuple[Tuple[str, Any], ...] = (
        ("greenlight_pm2_home", params["pm2_home"]),
        ("greenlight_pm2_executable", params["executable"] if params["executable"] != "pm2" else None),
        ("greenlight_state_path", params["state_path"] or look.state_path_of(_USUAL / name, user_home)),
        ("greenlight_health_headers", params["health_headers"]),
    )
    return {variable: value for variable, value in given if value}
