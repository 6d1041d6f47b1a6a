# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import signal

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import child


@pytest.mark.parametrize(
    "work, sent, ended",
    [
        (lambda: {"a": [1]}, b'{"a": [1]}', 0),
        (lambda: os._exit(3), b"", 3),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), b"", -signal.SIGKILL),
        (lambda: 1 / 0, b"", 1),
        (object, b"", 1),
    ],
)
def test_what_work_returns_comes_through_the_pipe(work, sent, ended):
    pid, reader = child.start(work)
    with os.fdopen(reader, "rb") as pipe:
        assert pipe.read() == sent
    status = os.waitpid(pid, 0)[1]
    assert (os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)) == ended


def test_the_result_is_written_whole(tmp_path):
    writer = os.open(str(tmp_path / "result"), os.O_WRONLY | os.O_CREAT)
    assert child.write_result(lambda: "x" * 300000, writer) == 0
    assert json.loads((tmp_path / "result").read_text()) == "x" * 300000


def test_a_child_dies_with_its_parent(monkeypatch):
    """The one whose parent is dead already is killed at once."""
    asked, killed = [], []
    libc = type("Libc", (), {"prctl": lambda _self, *given: asked.append(given)})
    monkeypatch.setattr(child.ctypes, "CDLL", lambda _name: libc())
    monkeypatch.setattr(child.os, "kill", lambda *given: killed.append(given))
    child.die_with_parent(os.getppid())
    assert (asked, killed) == ([(1, signal.SIGKILL)], [])
    child.die_with_parent(os.getpid())
    assert killed == [(os.getpid(), signal.SIGKILL)]
