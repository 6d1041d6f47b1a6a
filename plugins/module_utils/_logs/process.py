# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which logs there are to read: those that are named, and those of a PM2 process."""

from __future__ import annotations

import glob
import re
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._pm2.api import Instance
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error

STREAMS = ("out", "err", "both")

LogFile = Tuple[str, str]


def find_logs(
    params: Mapping[str, Any], read_instances: Callable[[], Sequence[Instance]]
) -> Tuple[List[LogFile], List[str]]:
    """Return the logs that the options of log_assert name, with those of the process, and notes.

    `read_instances` asks PM2 for the instances of the process. A cursor names logs too: with it, a note says why PM2
    could not be asked. Raises LogError.
    """
    has_to_find = params["state"] == "mark" or not params["cursor"]
    if params["files"] is None and not params["process"] and has_to_find:
        raise LogError("There is no log to read; give files or process")
    files = expand(parse_files(params["files"] or []))
    if not params["process"]:
        return files, []
    try:
        instances = read_instances()
        files = merge([*files, *files_of(params["process"], instances)])
    except (PM2Error, LogError) as error:
        if has_to_find:
            raise LogError(str(error)) from error
        return files, [str(error)]
    return with_other_instances(files, instances) if params["state"] == "mark" else files, []


def parse_files(given: Iterable[Mapping[str, Any]]) -> List[LogFile]:
    """Return the path and the stream of each file of the option `files`. Raises LogError."""
    files = []
    for file in given:
        path, stream = file.get("path"), file.get("stream")
        if not isinstance(path, str) or not path.startswith("/") or stream not in STREAMS:
            raise LogError(
                f"files needs mappings of an absolute path and a stream, out, err or both, not {dict(file)!r}"
            )
        files.append((path, stream))
    return merge(files)


def expand(files: Sequence[LogFile]) -> List[LogFile]:
    """Return the files for a name with a star in it, where an app begins a new log each day, and the name for none."""
    found = []
    for path, stream in files:
        name = glob.escape(Path(path).name).replace("[*]", "*")
        paths = [str(each) for each in Path(path).parent.glob(name)] if "*" in name else []
        found += [(each, stream) for each in paths or [path]]
    return merge(found)


def files_of(name: str, instances: Sequence[Instance]) -> List[LogFile]:
    """Return the logs of all instances of a process. Raises LogError when there are none."""
    files = [(path, stream) for i in instances for path, stream in ((i.out_log, "out"), (i.err_log, "err"))]
    files = [(path, stream) for path, stream in files if path and path != "/dev/null"]
    if not files:
        raise LogError(f"PM2 knows no process called {name!r} that writes logs; correct process, or give files")
    return merge(files)


def merge(files: Iterable[LogFile]) -> List[LogFile]:
    """Return each path once; one that both streams are written to is of both."""
    streams: Dict[str, str] = {}
    for path, stream in files:
        streams[path] = stream if streams.get(path, stream) == stream else "both"
    return sorted(streams.items())


def with_other_instances(files: Sequence[LogFile], instances: Sequence[Instance]) -> List[LogFile]:
    """Return the logs together with those of instances that ran before, and may run again.

    PM2 puts the number of an instance before the suffix, `shop-out-0.log`. An instance that is added later goes on
    writing where another of its number left off.
    """
    numbers = {str(instance.pm_id) for instance in instances}
    found = list(files)
    for path, stream in files:
        match = re.fullmatch(r"(.*-)(\d+)(\.[^./]*|)", path)
        if match and match.group(2) in numbers:
            before, _number, after = match.groups()
            pattern = re.compile(re.escape(before) + r"\d+" + re.escape(after))
            folder = Path(path).parent
            names = [str(each) for each in folder.iterdir()] if folder.is_dir() else []
            found += [(each, stream) for each in names if pattern.fullmatch(each)]
    return merge(found)
