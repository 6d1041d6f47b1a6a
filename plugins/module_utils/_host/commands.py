# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of the app's own, such as a migration: run in its folder, ended when they take too long."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host.files import explain
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_SHOWN_LINES = 5


class CommandError(GreenlightError):
    """A command could not be started, did not succeed, or did not end."""


def check(commands: Sequence[Sequence[str]], name: str) -> None:
    """Raise CommandError for an option whose elements are no commands."""
    for index, words in enumerate(commands):
        if not isinstance(words, (list, tuple)) or not words or not all(isinstance(word, str) for word in words):
            raise CommandError(f"{name}[{index}] must be a list of words, the first one a program, not {words!r}")


def run(words: Sequence[str], folder: Path, environment: Mapping[str, str], timeout: float) -> None:
    """Run a command to its end. Raises CommandError with its last words, secrets taken out.

    All that it started and that is left is killed after `timeout` seconds.
    """
    shown = redaction.show(" ".join(words))
    try:
        process = subprocess.Popen(
            list(words),
            cwd=str(folder),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandError(f"{shown} cannot be started in {folder}: {explain(error)}") from error
    try:
        output = process.communicate(timeout=timeout)[0]
    except subprocess.TimeoutExpired as error:
        # Nothing waits for the output: what went into a session of its own may hold it for ever.
        is_over = process.poll() is not None
        with process, contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        left = "ended and left something that holds its output for" if is_over else "did not end in"
        raise CommandError(f"{shown} {left} {timeout:g} seconds{'' if is_over else ' and was killed'}") from error
    if process.returncode != 0:
        raise CommandError(_describe_end(shown, process.returncode, output.decode("utf-8", "replace")))


def _describe_end(shown: str, status: int, output: str) -> str:
    lines = [line for line in output.splitlines() if line.strip()]
    said = " | ".join(redaction.show(line) for line in lines[-_SHOWN_LINES:]) or "it said nothing"
    return f"{shown} ended with status {status}: {said}"


def describe_failure(result: Mapping[str, Any], task: str) -> str:
    """Return in one sentence why a task of Ansible failed, of a loop why its first item did, secrets taken out."""
    items = [each for each in result.get("results") or [] if each.get("failed")]
    failed = items[0] if items else result
    words = failed.get("cmd")
    # What Ansible says of a command that could be started.
    if words and failed.get("msg") == "non-zero return code":
        shown = redaction.show(words if isinstance(words, str) else " ".join(words))
        output = [str(failed.get(name) or "") for name in ("stdout", "stderr")]
        return _describe_end(shown, int(failed["rc"]), "\n".join(output))
    return str(failed.get("msg") or f"the task {task} failed")
