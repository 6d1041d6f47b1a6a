# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recognising by its logs an app that failed while Node loaded it, though PM2 shows it online.

PM2 loads an ES module by `import()`, and keeps a process online whose main module failed. It does nothing then, and
waiting for it would change nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._pm2.bus import Uncaught
from ansible_collections.greenlight.release.plugins.module_utils._pm2.logs import LogMark, last_lines
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness

# Node's errors of an ES module that cannot be loaded: https://nodejs.org/api/errors.html
_NOT_LOADED = re.compile(
    r"^\s*(\w*Error \[(?:ERR_MODULE_NOT_FOUND|ERR_PACKAGE_PATH_NOT_EXPORTED|ERR_UNSUPPORTED_DIR_IMPORT"
    r"|ERR_UNKNOWN_FILE_EXTENSION|ERR_DLOPEN_FAILED)\]: .*"
    r"|SyntaxError: The requested module .* does not provide an export named .*)$",
    re.MULTILINE,
)
# What PM2 writes in cluster mode before an error that nothing caught: lib/ProcessContainer.js.
_NOT_CAUGHT = re.compile(r"^You have triggered an unhandledRejection, .*\n(.*)$", re.MULTILINE)
# An error that was made while a module ran for the first time: its stack ends in Node's loader, or in a file itself.
_WHILE_LOADING = re.compile(
    r"^(\w*Error\b.*)\n(?:[ \t]+at .*\n)*?"
    r"[ \t]+at (?:.*\(node:internal/modules/esm/|async file://|async node:internal/modules/esm/)",
    re.MULTILINE,
)
# Seconds without a port, and without another word where the app may have caught the error itself and try again.
_CERTAIN_AFTER, _SILENT_FOR = 3.0, 5.0


@dataclass(frozen=True)
class LoadFailure:
    """The line that says what failed. It is `caught` perhaps where nothing in the log says that it was not."""

    line: str
    caught: bool


def load_failure(text: str) -> Optional[LoadFailure]:
    """Return with what the code of an app could not be loaded, by its log; None where nothing says so."""
    certain = _NOT_LOADED.search(text) or _NOT_CAUGHT.search(text)
    found = certain or _WHILE_LOADING.search(text)
    return LoadFailure("".join(last_lines(found.group(1), 1)), not certain) if found else None


@dataclass(frozen=True)
class Signs:
    """Where a failure shows: `marks` of the logs before the start, a log without one is new, and `uncaught` errors."""

    marks: Sequence[LogMark]
    uncaught: Callable[[], Mapping[int, Uncaught]] = dict


def load_failure_judge(signs: Signs, now: Callable[[], float]) -> Callable[[Readiness], Readiness]:
    """Return what ends the wait for a process that listens nowhere for a while after its code could not be loaded.

    An app that caught the error may try again, so it has to be silent for that while. So has one of which a promise
    was rejected and not handled: it may have been a lesser one.
    """
    marks = signs.marks
    since: Optional[float] = None
    said = ""

    def judge(seen: Readiness) -> Readiness:
        nonlocal since, said
        is_deaf = not (seen.ready or seen.ports)
        text = _said(marks, [each.err_log for each in seen.instances]) if is_deaf else ""
        failure = load_failure(text) or (_rejected(signs, seen) if is_deaf else None)
        if not failure:
            since = None
            return seen
        out_logs = [each.out_log for each in seen.instances]
        says = text + _said(marks, out_logs) if failure.caught else failure.line
        if since is None or says != said:
            since, said = now(), says
        is_certain = now() - since >= (_SILENT_FOR if failure.caught else _CERTAIN_AFTER)
        return replace(seen, final=True, reason=f"its code cannot be loaded: {failure.line}") if is_certain else seen

    return judge


def _rejected(signs: Signs, seen: Readiness) -> Optional[LoadFailure]:
    """Return the error that PM2 reported of one of these instances; one of its last process does not count."""
    uncaught = signs.uncaught()
    for each in seen.instances:
        error = uncaught.get(each.pm_id)
        if error and error.at >= each.started_at:
            return LoadFailure(error.line, True)
    return None


def _said(marks: Sequence[LogMark], paths: Sequence[str]) -> str:
    known = {str(mark.path): mark for mark in marks}
    return "".join(known.get(path, LogMark(Path(path), 0)).since() for path in sorted(set(paths)))
