# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A migration that goes on when its module was killed, in real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._switch import leftovers
from pm2_fakes import Time

# It says when it is ready, and then waits for ever; DEAF is deaf to the wish that it ends.
WAIT = "print('.', flush=True); import threading; threading.Event().wait()"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"
# npm and a shell start others; what becomes a session of its own escapes the group.
ESCAPED = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {WAIT!r}], start_new_session=True)"


@pytest.fixture
def begin(release_id):
    started = []

    def begin(code, **more):
        environment = leftovers.marked({"PATH": os.environ["PATH"], **more}, release_id)
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, start_new_session=True
        )
        started.append(process)
        assert process.stdout.readline() == b".\n"
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
    for pid in leftovers.find(release_id, 0):
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def release_id():
    return f"20260219T020000Z-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("code, number", [(WAIT, 1), (ESCAPED, 2)])
def test_all_that_a_migration_started_is_found_and_ended(begin, release_id, code, number):
    process = begin(code)
    found = leftovers.find(release_id, 0)
    assert (process.pid in found, len(found)) == (True, number)
    told = leftovers.end(release_id, 0, pm2.Clock())
    assert (told, leftovers.find(release_id, 0)) == (proc.describe(found), {})


def test_what_is_deaf_is_killed(begin, release_id):
    process = begin(DEAF)
    # Its time is up at once.
    assert leftovers.end(release_id, 0, Time().clock()) == proc.describe({process.pid: proc.name_of(process.pid)})
    assert process.wait() == -signal.SIGKILL


def test_what_cannot_be_ended_is_named(begin, release_id, monkeypatch):
    process = begin(WAIT)
    monkeypatch.setattr(leftovers.os, "kill", lambda _pid, _number: None)
    with pytest.raises(CommandError, match=f"is still at work in process {process.pid} .* and cannot be ended; end it"):
        leftovers.end(release_id, 0, Time().clock())


def test_what_ends_by_itself_meanwhile_is_no_error(begin, release_id, monkeypatch):
    process, kill = begin(WAIT), os.kill

    def late(pid, _number):
        kill(pid, signal.SIGKILL)
        process.wait()
        raise ProcessLookupError

    monkeypatch.setattr(leftovers.os, "kill", late)
    assert str(process.pid) in leftovers.end(release_id, 0, Time().clock())


def test_what_belongs_to_another_release_or_to_pm2_is_left_alone(begin, release_id):
    process = begin(ESCAPED)
    assert leftovers.find(f"{release_id}0", 0) == {}
    assert leftovers.find(release_id[:-1], 0) == {}
    assert leftovers.find(release_id, process.pid) == {}
    assert leftovers.end("20260219T020000Z-00000000", 0, pm2.Clock()) == ""
