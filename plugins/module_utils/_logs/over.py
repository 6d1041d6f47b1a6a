# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Knowing while others wait for an app that its process or log decides already, so that nobody waits for nothing."""

from __future__ import annotations

import functools
import time
from typing import Any, Callable, Dict, Mapping, Optional

from ansible_collections.greenlight.release.plugins.module_utils._host.parallel import TooSlowError, within
from ansible_collections.greenlight.release.plugins.module_utils._logs import check, options, process, rules
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._logs.scan import Scan
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import show

OPTIONS: Dict[str, Dict[str, Any]] = {
    "files": {"type": "list", "elements": "dict", "required": True, "options": options.FILE},
    "cursor": {"type": "dict", "required": True},
    "known_kinds": {"type": "dict", "default": {}},
    "styles": {"type": "list", "elements": "str", "default": []},
    **{name: {"type": "list", "elements": "dict", "default": []} for name in ("forbid", "ignore")},
}
_NO_RULES: Mapping[str, Any] = {"require": [], "count": [], "rates": {}}
# A look must not take longer than the question that it follows.
_SECONDS = 5.0


def watch(
    name: Optional[str], pm2_home: Optional[str], log: Optional[Mapping[str, Any]], own: Mapping[str, str]
) -> Callable[[], str]:
    """Return what says why it is no use to wait any more: for a process of PM2, or because of a log.

    It is an empty text where nobody knows. `own` are the variables of this process. Raises LogError.
    """
    asked = [watch_log(log)] if log else []
    if name:
        read = functools.partial(pm2.read_instances, pm2.home_of(pm2_home, own), name, _SECONDS)
        asked.insert(0, pm2.watch_end(name, read))
    return lambda: next(filter(None, (why() for why in asked)), "")


def watch_log(given: Mapping[str, Any]) -> Callable[[], str]:
    """Return what says which forbidden line the log has since its cursor, an empty text as long as it has none.

    A log that cannot be read, or not in time, says nothing here: whoever reads it in the end says why. Raises LogError.
    """
    files, kinds = process.parse_files(given["files"]), rules.check_kinds(given["known_kinds"])
    parsed = rules.read_rules({**_NO_RULES, **{name: given[name] for name in ("styles", "forbid", "ignore")}})

    def read() -> str:
        scan = Scan(parsed, kinds)
        begin = check.begin(files, given["cursor"], 0, time.time())
        check.read(scan, begin, 0, True, check.Time(time.time, time.monotonic, time.sleep))
        return next(filter(None, (_say(scan, rule) for rule in parsed.forbid)), "")

    def why() -> str:
        try:
            return within(_SECONDS, read)
        except (LogError, OSError, TooSlowError):
            return ""

    return why


def _say(scan: Scan, rule: rules.Rule) -> str:
    found = scan.tallies[rule.name]
    if found.count <= rule.maximum:
        return ""
    return f"its log has {rule.name}: {found.count} lines, the last one is {show(found.last)!r}"
