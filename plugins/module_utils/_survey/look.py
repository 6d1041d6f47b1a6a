# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of an app that it runs already: its checkout, ports, databases, and the addresses that answer."""

from __future__ import annotations

import contextlib
import http.client
import os
import urllib.parse
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._code import git
from ansible_collections.greenlight.release.plugins.module_utils._code.git import Run
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_HEADER = b"SQLite format 3\0"
_HEALTH = ("/health", "/healthz", "/api/health", "/health/ready", "/api/v1/health", "/status", "/ping", "/")
_STATS = ("/cache/stats", "/api/cache/stats", "/api/admin/cache/stats", "/stats")
_RATES = ("data.hitRate", "hitRate", "data.hit_rate", "hit_rate", "cache.hitRate")
_GOOD = ("ok", "up", "pass", "healthy", "alive")
_MOST = 1 << 16

Ask = Callable[[str], Optional[str]]


class SurveyError(GreenlightError):
    """It cannot be said which app is meant, or where it is."""


def choose(instances: Sequence[pm2.Instance], wanted: str) -> List[pm2.Instance]:
    """Return the instances of the wanted app, or of the only one that serves. Raises SurveyError."""
    online = [each for each in instances if each.status == "online" and each.pid]
    serving = sorted({each.name for each in online if ports_of([each])})
    names = sorted({each.name for each in instances})
    if wanted not in names and (wanted or len(serving) != 1):
        why = f"PM2 knows no process {wanted}" if wanted else f"{len(serving)} processes of PM2 serve a port"
        raise SurveyError(
            f"{why}; set greenlight_process_name to one of {', '.join(names) or 'those that it should run'}"
        )
    found = [each for each in online if each.name == (wanted or serving[0])]
    if not found:
        raise SurveyError(f"{wanted} does not run, so nothing can be seen of it; start it, then try again")
    return found


def ports_of(instances: Sequence[pm2.Instance]) -> List[int]:
    return proc.listening_ports(proc.with_descendants([each.pid for each in instances]))


def databases_of(instances: Sequence[pm2.Instance]) -> List[str]:
    """Return the SQLite databases that the processes have open."""
    opened = proc.open_paths(proc.with_descendants([each.pid for each in instances]))
    return [path for path in opened if _is_database(Path(path))]


def _is_database(path: Path) -> bool:
    try:
        # A pipe would be waited for.
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def state_path_of(usual: Path, home: Path) -> str:
    """Return where the release records can be, empty for the usual place, where this user may not write."""
    there = next(parent for parent in (usual, *usual.parents) if parent.is_dir())
    return "" if os.access(str(there), os.W_OK) else str(home / ".greenlight" / usual.name)


def checkout_of(make_run: Callable[[Path], Run], instance: pm2.Instance) -> Dict[str, str]:
    """Return `{path, subfolder, repository, deploy_key, branch}`. Raises SurveyError where there is no checkout."""
    for folder in (Path(instance.script).parent, Path(instance.cwd)):
        if not folder.is_dir():
            continue
        run = make_run(folder)
        top = run(["rev-parse", "--show-toplevel"])
        if top.code == 0:
            path, real = top.output.strip(), os.path.realpath
            below = os.path.relpath(real(str(folder)), real(path))
            branch = run(["rev-parse", "--abbrev-ref", "HEAD"]).output.strip()
            return {
                "path": path,
                "subfolder": "" if below == "." else below,
                "repository": run(["remote", "get-url", "origin"]).output.strip(),
                "deploy_key": git.key_of_ssh(run),
                "branch": "" if branch == "HEAD" else branch,
            }
    raise SurveyError(
        f"{instance.name} runs {instance.script}, which lies in no git checkout; clone the repository first"
    )


def ask(url: str) -> Optional[str]:
    """Return the body of an answer with status 200, None for anything else. No proxy is asked for what is local."""
    asked = urllib.parse.urlsplit(url)
    try:
        with contextlib.closing(http.client.HTTPConnection(asked.hostname or "", asked.port, timeout=3)) as connection:
            connection.request("GET", asked.path or "/")
            answer = connection.getresponse()
            return str(answer.read(_MOST).decode("utf-8", "replace")) if answer.status == 200 else None
    except (OSError, ValueError, http.client.HTTPException):
        return None


def health_of(base: str, ask_url: Ask) -> Tuple[str, List[Dict[str, Any]]]:
    """Return the URL of the health endpoint and what to expect of its JSON, empty for none that answers."""
    first = ""
    for url in (f"{base}{path}" for path in _HEALTH):
        body = ask_url(url)
        expected = expectations(body or "")
        if expected:
            return url, expected
        first = first or (url if body is not None else "")
    return first, []


def expectations(body: str) -> List[Dict[str, Any]]:
    """Return what of a healthy answer says that it is one."""
    found = _parse(body)
    if not isinstance(found, Mapping):
        return []
    if str(found.get("status", "")).lower() in _GOOD:
        return [{"path": "status", "equals": found["status"]}]
    return [{"path": key, "equals": True} for key in ("ok", "healthy", "success") if found.get(key) is True][:1]


def cache_stats_of(base: str, ask_url: Ask) -> Tuple[str, str]:
    """Return the URL of the cache statistics and where the hit rate is, empty for none that answers."""
    for path in _STATS:
        found = _parse(ask_url(f"{base}{path}") or "")
        for rate in _RATES:
            with contextlib.suppress(json_path.JSONPathError):
                json_path.value_at(found, rate)
                return f"{base}{path}", rate
    return "", ""


def _parse(body: str) -> Any:
    try:
        return json_path.parse(body)
    except json_path.JSONPathError:
        return None
