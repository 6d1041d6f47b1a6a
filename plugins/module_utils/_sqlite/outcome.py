# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What came of a copy or a drill, kept in a private file as a JSON object with a `format`."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Dict, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust

_FORMAT = 1


def format_time(at: datetime) -> str:
    """Return a time as it is kept, in UTC and whole seconds."""
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def keep(path: Path, outcome: Mapping[str, Any]) -> None:
    """Write an outcome down in the place of the one before. Raises OSError."""
    files.write_whole(path, json.dumps({"format": _FORMAT, **outcome}, sort_keys=True) + "\n")


def read(path: Path) -> Dict[str, Any]:
    """Return the outcome that was kept last, {} where nothing useful is known."""
    try:
        with os.fdopen(trust.open_regular(path), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError, trust.TrustError):
        return {}
    return found if isinstance(found, dict) and found.get("format") == _FORMAT else {}
