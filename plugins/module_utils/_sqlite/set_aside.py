# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a restore set aside gets a manifest, so that it can be found, restored, and removed like a backup."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host import files
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import Contents
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.inspection import Live
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import (
    CREATED,
    FORMAT,
    manifest_path,
    next_sequence,
)
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.restore_plan import Restore

# Bytes 18 and 19 of a database: https://www.sqlite.org/fileformat2.html#file_format_version_numbers
_FORMAT_VERSIONS, _WAL_FORMAT = slice(18, 20), b"\x02\x02"


def describe(wanted: Restore, live: Live, leftovers: Sequence[Path]) -> None:
    """Write the manifest of the database that is being set aside, where there was one. Raises OSError.

    `leftovers` are the files in which a killed process left something.
    """
    file = wanted.keeping / wanted.real.name
    if not file.exists():
        return
    size = file.stat().st_size
    contents = live.contents or Contents("", 0, 0, 512, size // 512, "delete")
    with file.open("rb") as opened:
        has_wal = contents.journal_mode == "wal" or opened.read(100)[_FORMAT_VERSIONS] == _WAL_FORMAT
    text = {
        **vars(contents),
        "format": FORMAT,
        "source": str(wanted.real),
        "signature": {},
        "sequence": next_sequence(wanted.aside, str(wanted.real)),
        "created": wanted.now.strftime(CREATED),
        "release_id": wanted.manifest.get("release_id", ""),
        "method": "set_aside",
        "verified": "none",
        "row_counts": contents.row_counts or None,
        "journal_mode": "wal" if has_wal else "delete",
        "size": size,
        "sha256": None,
        "content_size": contents.page_size * contents.page_count if leftovers else size,
        "content_sha256": None,
        "sidecars": [path.name[len(wanted.real.name) :] for path in leftovers],
        "damaged": live.problem,
    }
    files.write_whole(manifest_path(file), json.dumps(text, indent=2, sort_keys=True) + "\n")
