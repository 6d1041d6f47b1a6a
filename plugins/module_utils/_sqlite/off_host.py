# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of a backup off the host, made by a command of the user, which runs once for each file.

What an update rests on goes first, and a manifest after what it describes: a manifest at the other end says that the
backup there is whole. What came of it lies next to the backup, in `<backup>.copied`, a JSON object::

    {"format": 1, "at": "2026-02-19T02:00:05Z", "copied_at": "2026-02-19T02:00:05Z" or null, "problem": ""}

`at` is the last attempt, `copied_at` the last one that succeeded. Neither the words of the command nor its variables
are ever written or shown, since both may hold credentials: a message names the program, and what that said.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._host import commands, files, trust
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import outcome
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.backup import folder_in_use
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.database import SqliteError
from ansible_collections.greenlight.release.plugins.module_utils._sqlite.manifest import (
    base_of,
    copied_path,
    manifest_path,
    read_manifest,
)
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction
from ansible_collections.greenlight.release.plugins.module_utils._values.output import quote

_SHOWN_LINES = 5
_MOST_BYTES = 1 << 16
_PLACES = re.compile(r"\{(file|name)\}")


@dataclass(frozen=True)
class Copying:
    """Backups to be copied by a command, in whose words `{file}` is a path and `{name}` its last part.

    `environment` is that of the command as a whole, `secrets` are values that nobody may see. `timeout` bounds all
    files together, in seconds. `already` are files that were copied before.
    """

    backups: Sequence[str]
    command: Sequence[str] = field(repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Sequence[str] = field(default=(), repr=False)
    timeout: float = 600
    already: Sequence[str] = ()


def check(wanted: Copying) -> None:
    """Raise SqliteError for a command that cannot copy a file. Its words are not shown, as they may hold a secret."""
    words = wanted.command
    if not words or not all(isinstance(word, str) and word for word in words):
        raise SqliteError("The command that copies a backup must be a list of words, the first one a program")
    if not any("{file}" in word for word in words[1:]):
        raise SqliteError(
            "The command that copies a backup has no word with {file}, which stands for the path of each file; write "
            "it as a list of words, one of them with {file}"
        )
    if wanted.timeout <= 0:
        raise SqliteError(f"The timeout of a copy must be more than 0 seconds, not {wanted.timeout:g}")


def files_of(backup: Path) -> List[Path]:
    """Return all files that a restore of the backup needs, in the order of their copies. Raises SqliteError."""
    manifest = read_manifest(backup)
    below = files_of(base_of(manifest)) if manifest["base"] else []
    return [*below, backup, manifest_path(backup)]


def copy(
    wanted: Copying, now: Callable[[], datetime], clock: Callable[[], float], check_mode: bool = False
) -> Dict[str, Any]:
    """Copy what was not copied yet, write down what came of it, and return that. Raises SqliteError, OSError.

    A command that fails is a result. While files are copied, no other run removes a backup from their folder.
    """
    check(wanted)
    if check_mode:
        _refuse_missing_program(wanted)
        return {"changed": True, "copied": False, "at": None, "problem": "", "files": list(wanted.backups)}
    began, copied, problems, changed = clock(), list(wanted.already), [], False
    for backup in map(Path, wanted.backups):
        # One whose copy fails keeps no other from being copied.
        new, problem, left = _copy_one(replace(wanted, already=copied), backup, now, began, clock)
        copied, changed = [*copied, *map(str, new)], changed or bool(left)
        problems += [problem] if problem else []
    at = outcome.format_time(now())
    told = "; ".join(problems)
    return {"changed": changed, "copied": not told, "at": at, "problem": told, "files": copied}


def _copy_one(
    wanted: Copying, backup: Path, now: Callable[[], datetime], began: float, clock: Callable[[], float]
) -> Tuple[List[Path], str, List[Path]]:
    """Copy one backup, and return the new files, why the next one was not copied, and what was to be copied."""
    with folder_in_use(backup.parent):
        left = [path for path in files_of(backup) if str(path) not in wanted.already]
        new, problem = _run_for_each(wanted, left, began, clock)
        at = outcome.format_time(now())
        copied_at = read_copied(backup).get("copied_at") if problem else at
        if left:
            outcome.keep(copied_path(backup), {"at": at, "copied_at": copied_at, "problem": problem})
    return new, problem, left


def read_copied(backup: Path) -> Dict[str, Any]:
    """Return what came of the copies of a backup, {} where nothing useful is known."""
    return outcome.read(copied_path(backup))


def _refuse_missing_program(wanted: Copying) -> None:
    """Raise SqliteError where a rehearsal sees that the copy will fail."""
    if not shutil.which(wanted.command[0], path=wanted.environment.get("PATH")):
        raise SqliteError(
            f"There is no program {_program(wanted)} to copy the backup with; install it, or correct PATH"
        )


def _run_for_each(
    wanted: Copying, paths: Sequence[Path], began: float, clock: Callable[[], float]
) -> Tuple[List[Path], str]:
    """Run the command for one file after the other; return those that were copied, and why the next one was not."""
    done: List[Path] = []
    for path in paths:
        problem = _describe_lent(path) or _run(wanted, path, wanted.timeout - (clock() - began))
        if problem:
            return done, f"{path.name} was not copied off the host: {problem}"
        done.append(path)
    return done, ""


def _describe_lent(path: Path) -> str:
    """Return why root does not hand a path to a program that opens it by name, "" where nobody can exchange it."""
    for folder in path.absolute().resolve().parents if os.geteuid() == 0 else ():
        who = trust.describe_changer(folder)
        if who:
            return f"{who} could lead root to any file; run as the user of the app (greenlight_app_user)"
    return ""


def _run(wanted: Copying, path: Path, seconds: float) -> str:
    """Copy one file, and return why that failed, "" where it did not."""
    program, too_slow = _program(wanted), f"the copy did not end in {wanted.timeout:g} seconds"
    if seconds <= 0:
        return too_slow
    places = {"file": str(path.absolute()), "name": path.name}
    words = [_PLACES.sub(lambda match: places[match[1]], word) for word in wanted.command]
    # A file: with ControlPersist an ssh stays behind that would hold a pipe open.
    with tempfile.TemporaryFile() as said:
        try:
            ended = commands.run_group(words, wanted.environment, seconds, Path("/"), True, into=said.fileno())
        except OSError as error:
            return f"{program} cannot be started: {error.strerror}"
        if ended.state == "killed":
            return f"{too_slow}, and {program} was killed"
        return _describe_status(wanted, ended.code, files.read_end(said, _MOST_BYTES)) if ended.code else ""


def _describe_status(wanted: Copying, code: int, output: str) -> str:
    lines = redaction.hide(output, _secrets_in(wanted)).splitlines()
    return f"{_program(wanted)} ended with status {code}: {quote(lines, _SHOWN_LINES) or 'it said nothing'}"


def _secrets_in(wanted: Copying) -> List[str]:
    """Return the values of variables, and the words that look like secrets or have an address with credentials."""
    return [*wanted.secrets, *(word for word in wanted.command if redaction.redact(word) != word)]


def _program(wanted: Copying) -> str:
    """Return the name of the program, which is all that is shown of a command."""
    return redaction.show(redaction.hide(os.path.basename(wanted.command[0]), wanted.secrets))
