# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How things stand with the backups of a database: the newest one, the newest one off the host, and the last drill."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

from ansible_collections.greenlight.release.plugins.module_utils._sqlite import drill, off_host
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import resolve
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import (
    Manifest,
    backups_of,
    is_there,
    list_backups,
)


def describe_newest(folder: Path, path: Optional[Path], state_path: Optional[Path]) -> Dict[str, Any]:
    """Return the newest backup, copy off the host and drill, None for what there is not. No backup is read.

    Without a `path` the backups of every database count. `off_host_problem` says why the newest backup was not copied,
    "" when it was, or nobody tried. Raises SqliteError for a folder that cannot be read.
    """
    source = str(resolve(path)) if path else None
    found = [each for each in backups_of(list_backups(folder), source) if is_there(each)]
    copies = [(each, off_host.read_copied(Path(each["path"]))) for each in found]
    copied = [{**_name(each), "copied_at": told["copied_at"]} for each, told in copies if told.get("copied_at")]
    return {
        "backup": _name(found[-1]) if found else None,
        "off_host": copied[-1] if copied else None,
        "off_host_problem": str(copies[-1][1].get("problem") or "") if copies else "",
        "drill": (drill.read_last(state_path, source) if state_path else {}) or None,
    }


def _name(manifest: Manifest) -> Dict[str, Any]:
    return {name: manifest[name] for name in ("path", "created")}
