# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log files that an app writes itself, and the style of its lines."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host import proc, trust
from ansible_collections.greenlight.release.plugins.module_utils._logs import styles
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2

# Bytes that are read of a log, from its end.
_SAMPLE = 1 << 16
# The date that many libraries put into the name of a log, so that there is a new one each day.
_DATE = re.compile(r"\d{4}[-_.]?\d{2}[-_.]?\d{2}([-_.T]\d{2})?")
# What is open to write to and says nothing of the app: what the kernel shows, and what npm notes of itself.
_NO_LOGS = re.compile(r"^/(proc|sys|dev)/|/_logs/[^/]*-debug-\d+\.log$")


def own_logs(instances: Sequence[pm2.Instance]) -> List[Dict[str, str]]:
    """Return the logs that the processes write and PM2 does not know, as greenlight_log_files has them."""
    of_pm2 = {os.path.realpath(path) for each in instances for path in (each.out_log, each.err_log)}
    opened = proc.written_paths(proc.with_descendants([each.pid for each in instances]))
    paths = [path for path in opened if path not in of_pm2 and Path(path).is_file() and not _NO_LOGS.search(path)]
    patterns = {str(Path(path).with_name(_DATE.sub("*", Path(path).name))) for path in paths}
    return [{"path": path, "stream": "both"} for path in sorted(patterns)]


def samples(instances: Sequence[pm2.Instance], own: Sequence[Mapping[str, str]]) -> List[str]:
    """Return the ends of all logs of the app."""
    paths = [Path(path) for each in instances for path in (each.out_log, each.err_log)]
    for file in own:
        paths += Path(file["path"]).parent.glob(Path(file["path"]).name)
    return [_end_of(path) for path in dict.fromkeys(paths)]


def _end_of(path: Path) -> str:
    try:
        with os.fdopen(trust.open_regular(path), "rb") as file:
            file.seek(max(0, file.seek(0, 2) - _SAMPLE))
            return file.read(_SAMPLE).decode("utf-8", "replace")
    except (OSError, trust.TrustError):
        return ""


def styles_of(texts: Sequence[str]) -> List[str]:
    """Return the names of the styles of the lines."""
    return styles.guess_style([line for text in texts for line in text.splitlines()])
