# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands: started, ended with all that they started when they take too long, and explained when they fail."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Literal, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._host.files import explain
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError
from ansible_collections.greenlight.release.plugins.module_utils._values.output import quote

_SHOWN_LINES = 10

EndState = Literal["ended", "killed", "held"]


class CommandError(GreenlightError):
    """A command could not be started, did not succeed, or did not end."""


@dataclass(frozen=True)
class Ended:
    """How a command ended. killed: it did not end in time; held: it did, and left something that holds its output."""

    state: EndState
    code: int
    output: bytes = b""
    error: bytes = b""


def check(commands: Sequence[Sequence[str]], name: str) -> None:
    """Raise CommandError for an option whose elements are no commands."""
    for index, words in enumerate(commands):
        if not isinstance(words, (list, tuple)) or not words or not all(isinstance(word, str) for word in words):
            raise CommandError(f"{name}[{index}] must be a list of words, the first one a program, not {words!r}")


def inner_folder(folder: str) -> str:
    """Return a folder to run commands in, from that of the repository. Raises CommandError where it lies outside."""
    if folder.startswith("/") or ".." in folder.split("/"):
        raise CommandError(f"The folder {folder!r} must lie in the repository, such as backend")
    return folder


def run_group(
    words: Sequence[str],
    environment: Mapping[str, str],
    timeout: float,
    folder: Optional[Path] = None,
    one_output: bool = False,
    grace: float = 0,
    into: int = subprocess.PIPE,
) -> Ended:
    """Run a command in a session of its own, and end it with all that it started after `timeout` seconds.

    With a `grace` it is asked to end first, so that it clears up, and killed so many seconds later. With `one_output`
    its error output is part of its output. That goes `into` a descriptor, if one is given, so that nobody waits for
    what the command leaves behind. Raises OSError when it cannot be started.
    """
    process = subprocess.Popen(
        list(words),
        cwd=str(folder) if folder else None,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=into,
        stderr=subprocess.STDOUT if one_output else subprocess.PIPE,
        start_new_session=True,
    )
    try:
        output, problem = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired as expired:
        state: EndState = "killed" if process.poll() is None else "held"
        # Nothing waits for the output: what went into a session of its own may hold it for ever.
        with process:
            _end_group(process, grace)
        return Ended(state, process.returncode, expired.output or b"")
    return Ended("ended", process.returncode, output, problem or b"")


def _end_group(process: subprocess.Popen[bytes], grace: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        if grace:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        os.killpg(process.pid, signal.SIGKILL)


def _forget(_output: str) -> None:
    pass


def run(
    words: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    timeout: float,
    keep: Callable[[str], None] = _forget,
) -> None:
    """Run a command to its end. Raises CommandError with its last words, secrets taken out.

    All that it started and that is left is killed after `timeout` seconds. `keep` gets all that it said, also when it
    fails; secrets are still in it.
    """
    shown = redaction.show(" ".join(words))
    try:
        ended = run_group(words, environment, timeout, folder, one_output=True)
    except OSError as error:
        raise CommandError(f"{shown} cannot be started in {folder}: {explain(error)}") from error
    output = ended.output.decode("utf-8", "replace")
    keep(output)
    if ended.state == "killed":
        raise CommandError(f"{shown} did not end in {timeout:g} seconds and was killed")
    if ended.state == "held":
        raise CommandError(f"{shown} ended and left something that holds its output for {timeout:g} seconds")
    if ended.code != 0:
        raise CommandError(_describe_end(shown, ended.code, output))


def _describe_end(shown: str, status: int, output: str) -> str:
    return f"{shown} ended with status {status}: {quote(output.splitlines(), _SHOWN_LINES) or 'it said nothing'}"


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
