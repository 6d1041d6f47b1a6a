# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import signal
import sys

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import commands as host_commands
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError, Ended


@pytest.mark.parametrize("commands", [[], [["true"]], [("npm", "run", "migrate"), ["true"]]], ids=str)
def test_commands_are_lists_of_words(commands):
    assert host_commands.check(commands, "migrate") is None


@pytest.mark.parametrize("wrong", ["npm run migrate", [], [1], None], ids=str)
def test_what_is_no_command_is_refused_by_its_index(wrong):
    with pytest.raises(CommandError, match=r"migrate\[1\] must be a list of words"):
        host_commands.check([["true"], wrong], "migrate")


@pytest.mark.parametrize(
    "script, timeout, more, ended",
    [
        ("echo out; echo err >&2; exit 3", 20, {}, Ended("ended", 3, b"out\n", b"err\n")),
        ("echo err >&2", 20, {"one_output": True}, Ended("ended", 0, b"err\n")),
        ("exec tail -f /dev/null", 1, {}, Ended("killed", -9)),
        ("exec tail -f /dev/null", 1, {"grace": 20}, Ended("killed", -15)),
        ("trap '' TERM; exec tail -f /dev/null", 1, {"grace": 0.2}, Ended("killed", -9)),
    ],
)
def test_the_end_of_a_command_is_reported(script, timeout, more, ended):
    assert host_commands.run_group(["sh", "-c", script], os.environ, timeout, **more) == ended


def test_a_command_that_is_asked_to_end_can_clear_up(tmp_path):
    script = "trap 'touch cleared; exit 0' TERM; touch begun; while :; do sleep 0.05; done"
    ended = host_commands.run_group(["sh", "-c", script], os.environ, 1, tmp_path, grace=20)
    assert (ended, sorted(os.listdir(tmp_path))) == (Ended("killed", 0), ["begun", "cleared"])


def test_a_command_runs_in_its_folder_with_its_environment(tmp_path):
    code = "import os, pathlib; pathlib.Path('made').write_text(os.environ['WHO'])"
    host_commands.run([sys.executable, "-c", code], tmp_path, {"WHO": "us"}, 20)
    assert (tmp_path / "made").read_text() == "us"


@pytest.mark.parametrize("rest", ["", "; raise SystemExit(1)", "; import signal; signal.pause()"])
def test_all_that_a_command_said_is_kept_however_it_ends(tmp_path, rest):
    kept = []
    code = f"[print(n, flush=True) for n in range(30)]{rest}"
    with pytest.raises(CommandError) if rest else contextlib.nullcontext():
        host_commands.run([sys.executable, "-c", code], tmp_path, os.environ, 3, kept.append)
    assert kept == ["".join(f"{n}\n" for n in range(30))]


@pytest.mark.parametrize(
    "code, said",
    [
        ("print('one\\n\\ntwo'); raise SystemExit(3)", r"ended with status 3: one \| two$"),
        ("raise SystemExit(1)", "ended with status 1: it said nothing$"),
        ("print('password=hunter2'); raise SystemExit(1)", r"password=\*\*\*$"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status -9"),
    ],
)
def test_a_command_that_fails_is_reported_with_its_last_words(tmp_path, code, said):
    with pytest.raises(CommandError, match=said):
        host_commands.run([sys.executable, "-c", code], tmp_path, os.environ, 20)


def test_a_command_that_does_not_end_is_killed_with_all_that_it_started(tmp_path):
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import signal; signal.pause()'])"
    with pytest.raises(CommandError, match=r"did not end in 0.5 seconds and was killed"):
        host_commands.run([sys.executable, "-c", code], tmp_path, os.environ, 0.5)


def test_the_cause_survives_what_was_said_after_it(tmp_path):
    code = "print('npm error code EUSAGE'); [print(n) for n in range(40)]; raise SystemExit(1)"
    with pytest.raises(CommandError, match=r"with status 1: npm error code EUSAGE \| 30 \| 31 .*\| 39$"):
        host_commands.run([sys.executable, "-c", code], tmp_path, {}, 30)


@pytest.mark.parametrize("rest, said", [("signal.pause()", "did not end in 1"), ("", "left something")])
def test_nothing_waits_for_what_a_command_left_behind_in_another_session(tmp_path, rest, said):
    """It holds the output of the command, which itself hangs or is long over; the app stands still meanwhile."""
    child = "import os, pathlib, signal; pathlib.Path('pid').write_text(str(os.getpid())); signal.pause()"
    code = (
        "import pathlib, signal, subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        f"while not pathlib.Path('pid').is_file() or not pathlib.Path('pid').read_text(): pass\n{rest}"
    )
    try:
        with pytest.raises(CommandError, match=said):
            host_commands.run([sys.executable, "-c", code], tmp_path, os.environ, 1)
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_command_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(CommandError, match="unheard-of cannot be started in .*No such file or directory"):
        host_commands.run(["unheard-of"], tmp_path, os.environ, 20)


ENDED = {
    "failed": True,
    "cmd": ["npm", "ci"],
    "rc": 1,
    "msg": "non-zero return code",
    "stdout": "one",
    "stderr": "two\n",
}
LOOP = {"failed": True, "msg": "One or more items failed"}


@pytest.mark.parametrize(
    "result, reason",
    [
        ({"failed": True, "msg": "No space left."}, "No space left."),
        ({"failed": True, "msg": ""}, "the task Build it failed"),
        (ENDED, "npm ci ended with status 1: one | two"),
        ({**ENDED, "cmd": "npm ci", "stdout": "token=abc", "stderr": ""}, "npm ci ended with status 1: token=***"),
        ({**ENDED, "rc": 2, "msg": "No such file: npm"}, "No such file: npm"),
        ({**LOOP, "results": [{"failed": False, "msg": "fine"}, ENDED]}, "npm ci ended with status 1: one | two"),
        ({**LOOP, "results": []}, "One or more items failed"),
    ],
)
def test_the_reason_of_a_failed_task_is_given_in_one_sentence(result, reason):
    assert host_commands.describe_failure(result, "Build it") == reason
