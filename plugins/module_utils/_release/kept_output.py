# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of a release said, kept whole in `<state_path>/output/<release id>.log`, without secrets.

The file is for its owner only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, List

from ansible_collections.greenlight.release.plugins.module_utils._host import files, trust
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction

_KEPT_RELEASES = 20
# A longer line is a file that somebody printed.
_LONGEST_LINE = 2000


def file_of(state_path: Path, release_id: str) -> Path:
    return state_path / "output" / f"{release_id}.log"


@dataclass
class Keeper:
    """Keeps what commands say in a file, without what `hide` takes out, and collects why that was not possible.

    A command that succeeded does not fail because a full disk had no room for what it said.
    """

    path: Path
    hide: Callable[[str], str]
    problems: List[str] = field(default_factory=list)

    def keeping(self, what: str) -> Callable[[str], None]:
        """Return what takes the output of a command."""

        def keep(output: str) -> None:
            try:
                append(self.path, what, output, self.hide)
            except RecordError as error:
                self.problems.append(str(error))

        return keep


def append(path: Path, what: str, output: str, hide: Callable[[str], str]) -> None:
    """Add what a command said to the file of its release, and remove the oldest files. Raises RecordError."""
    lines = [redaction.show(line, _LONGEST_LINE) for line in hide(output).splitlines()]
    text = "".join(f"{line}\n" for line in (f"$ {what}", *lines))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        files.write_whole(path, f"{_read(path)}{text}")
        for old in sorted(path.parent.glob("*.log"))[:-_KEPT_RELEASES]:
            old.unlink()
    except OSError as error:
        raise RecordError(f"The output of {what} cannot be kept in {path}: {files.explain(error)}") from error
    except trust.TrustError as error:
        raise RecordError(str(error)) from error


def _read(path: Path) -> str:
    try:
        with trust.reading(path) as descriptor:
            return b"".join(bytes(chunk) for chunk in files.chunks_of(descriptor)).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
