# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with git on a server, done for real: it is refused by name or put right, and nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from git_commands import commit, git
from machine import COLLECTIONS, MODULES, call_module, wait_for

FILES = 200


class Repositories:
    """An origin whose second commit changes 200 files and adds one, and a checkout at the first."""

    def __init__(self, folder):
        self.origin, self.path = folder / "origin", folder / "app"
        git(folder, "init", "--quiet", "--initial-branch=main", self.origin)
        self.first = commit(self.origin, {f"src/{number:03}.js": "1" for number in range(FILES)})
        self.clone()
        self.second = commit(self.origin, {**{f"src/{number:03}.js": "2" for number in range(FILES)}, "new.js": "2"})

    def clone(self, *options):
        git(self.origin.parent, "clone", "--quiet", *options, f"file://{self.origin}", self.path)

    def fetch(self, sha=None, check=False, **more):
        given = {"path": str(self.path), "repository": f"file://{self.origin}", "sha": sha or self.second, **more}
        return call_module("git_revision", {"state": "fetched", **given}, check=check)

    def check_out(self, sha=None, **more):
        given = {"path": str(self.path), "sha": sha or self.second, **more}
        return call_module("git_revision", {"state": "checked_out", **given})

    def check_out_first(self):
        return self.check_out(self.first, from_sha=self.second, recover=True)

    def texts(self):
        return {path.read_text() for path in (self.path / "src").iterdir()}


@pytest.fixture
def repositories(tmp_path):
    return Repositories(tmp_path)


@pytest.mark.parametrize("changed", ["src/000.js", "other.js"])
def test_a_hotfix_on_the_server_is_refused_whether_or_not_the_commit_changes_it(repositories, changed):
    sha = commit(repositories.origin, {"other.js": "1"}, "another file")
    repositories.fetch(sha)
    repositories.check_out(sha)
    following = commit(repositories.origin, {"src/000.js": "3"})
    (repositories.path / changed).write_text("hotfix")
    for check in (True, False):
        answer = repositories.fetch(following, check=check)
        assert (answer["failed"], f"has local changes in {changed}" in answer["msg"]) == (True, True)
    assert "failed" in repositories.check_out(following)
    assert (repositories.path / changed).read_text() == "hotfix"


def test_a_checkout_with_a_local_commit_is_moved_to_the_exact_commit_and_back(repositories):
    local = commit(repositories.path, {"src/000.js": "1", "local.js": "x"})
    fetched = repositories.fetch()
    assert (fetched["head"], fetched["forced"], "local.js" in fetched["changed_paths"]) == (local, True, True)
    repositories.check_out()
    assert (git(repositories.path, "rev-parse", "HEAD"), repositories.texts()) == (repositories.second, {"2"})
    repositories.check_out(local)
    assert (repositories.path / "local.js").read_text() == "x"


def test_a_branch_whose_history_was_rewritten_is_reported_and_can_be_rolled_back(repositories):
    repositories.fetch()
    repositories.check_out()
    git(repositories.origin, "reset", "--hard", "--quiet", repositories.first)
    rewritten = commit(repositories.origin, {"src/000.js": "rewritten"})
    git(repositories.origin, "reflog", "expire", "--expire=now", "--all")
    git(repositories.origin, "gc", "--quiet", "--prune=now")
    assert repositories.fetch(rewritten, check=True)["forced"] is True
    assert repositories.fetch(rewritten)["forced"] is True
    repositories.check_out(rewritten)
    repositories.check_out(repositories.second)
    assert repositories.texts() == {"2"}


def test_a_release_of_three_commits_and_a_merge_rolls_back_to_what_was_deployed_without_an_identity(repositories):
    for number in (3, 4):
        commit(repositories.origin, {"src/000.js": str(number)})
    git(repositories.origin, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(repositories.origin, {"side.js": "x"})
    git(repositories.origin, "checkout", "--quiet", "main")
    git(repositories.origin, "merge", "--quiet", "--no-ff", "--message=merge", "side")
    merge = git(repositories.origin, "rev-parse", "HEAD")
    assert repositories.fetch(merge)["commit_count"] == 5
    repositories.check_out(merge)
    nobody = {"HOME": "/nonexistent", "EMAIL": "", "GIT_CONFIG_NOSYSTEM": "1"}
    given = {"state": "checked_out", "path": str(repositories.path), "sha": repositories.first}
    assert "failed" not in call_module("git_revision", given, env=nobody)
    assert (git(repositories.path, "rev-parse", "HEAD"), repositories.texts()) == (repositories.first, {"1"})


def test_an_untracked_file_in_the_way_is_refused_and_kept(repositories):
    (repositories.path / "new.js").write_text("mine")
    for check in (True, False):
        assert "would overwrite new.js" in repositories.fetch(check=check)["msg"]
    assert "failed" in repositories.check_out()
    assert ((repositories.path / "new.js").read_text(), repositories.texts()) == ("mine", {"1"})


def test_a_lock_on_the_index_is_refused_by_name(repositories):
    (repositories.path / ".git" / "index.lock").write_text("")
    assert ".git/index.lock exists; end the git process" in repositories.fetch()["msg"]


def test_a_shallow_clone_is_moved_like_any_other(repositories):
    shutil.rmtree(repositories.path)
    repositories.clone("--depth=1")
    third = commit(repositories.origin, {"src/000.js": "3"})
    rehearsed = repositories.fetch(third, check=True)
    fetched = repositories.fetch(third)
    assert (fetched["changed_paths"], fetched["commit_count"], fetched["forced"]) == (["src/000.js"], 1, False)
    assert rehearsed == fetched
    repositories.check_out(third)
    assert git(repositories.path, "rev-parse", "HEAD") == third


def test_a_checkout_of_another_user_is_refused_with_a_remedy(repositories):
    if os.geteuid() == 0:
        for path in [repositories.path, *repositories.path.rglob("*")]:
            os.chown(path, 12345, 12345)
        owner = 12345
    else:
        # Only root can give a folder away, but every user finds one of root's.
        repositories.path, owner = Path("/usr"), 0
    expected = f"{repositories.path} belongs to user {owner}, not to {os.geteuid()}; run as its owner (become_user)"
    assert (repositories.fetch()["msg"], repositories.fetch(check=True)["msg"]) == (expected, expected)


def test_hooks_and_monitors_that_were_planted_in_the_checkout_never_run(repositories, tmp_path):
    planted, trace = tmp_path / "planted", tmp_path / "ran"
    planted.write_text(f'#!/bin/sh\necho "$0" >> {trace}\n')
    planted.chmod(0o755)
    for name in ("post-checkout", "reference-transaction", "post-index-change", "pre-auto-gc", "fsmonitor-watchman"):
        (repositories.path / ".git" / "hooks" / name).symlink_to(planted)
    for setting in ("core.fsmonitor", "core.sshCommand"):
        git(repositories.path, "config", setting, str(planted))
    for check in (True, False):
        assert repositories.fetch(check=check)["changed"] is True
    assert repositories.check_out()["changed"] is True
    assert repositories.check_out_first()["changed"] is True
    assert not trace.exists()


@pytest.mark.parametrize("check", [True, False])
def test_a_remote_that_never_answers_is_given_up_and_nothing_is_changed(repositories, check):
    before = git(repositories.path, "for-each-ref")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://bob:hunter2@127.0.0.1:{server.getsockname()[1]}/r.git"
        answer = repositories.fetch(repository=url, timeout=1, check=check)
    assert answer["msg"] == "git fetch did not end in 1 seconds; check the remote"
    assert ("hunter2" in str(answer), git(repositories.path, "for-each-ref")) == (False, before)


@pytest.mark.parametrize("state", ["resolved", "fetched"])
def test_a_token_is_not_shown_when_the_remote_is_unreachable(repositories, free_port, state):
    given = {"state": state, "revision": "main", "sha": repositories.second, "path": str(repositories.path)}
    answer = call_module("git_revision", {**given, "repository": f"http://bob:hunter2@127.0.0.1:{free_port}/r.git"})
    assert (answer["failed"], "hunter2" in str(answer)) == (True, False)
    assert "127.0.0.1" in answer["msg"]


class Blocked:
    """A checkout that stops in the middle: git passes one of the files to a filter that never answers."""

    def __init__(self, repositories, folder):
        self.repositories, self.pid_file = repositories, folder / "pid"
        program = folder / "filter"
        program.write_text(f"#!/bin/sh\necho $$ > {self.pid_file}\nexec tail -f /dev/null\n")
        program.chmod(0o755)
        (repositories.path / ".git" / "info" / "attributes").write_text("src/100.js filter=blocked\n")
        git(repositories.path, "config", "filter.blocked.smudge", str(program))
        self.module = subprocess.Popen(
            [sys.executable, "-m", f"{MODULES}.git_revision"],
            env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        given = f'"state": "checked_out", "path": "{repositories.path}", "sha": "{repositories.second}"'
        self.module.stdin.write(f'{{"ANSIBLE_MODULE_ARGS": {{{given}}}}}'.encode())
        self.module.stdin.close()
        filter_pid = int(wait_for(lambda: self.pid_file.exists() and self.pid_file.read_text().strip(), "the filter"))
        self.group = os.getpgid(filter_pid)

    def kill_module(self):
        self.module.kill()
        self.module.wait()

    def kill_git(self):
        os.killpg(self.group, signal.SIGKILL)
        lock = self.repositories.path / ".git" / "index.lock"
        wait_for(lambda: not holders_of(lock), "the end of git")
        git(self.repositories.path, "config", "--unset", "filter.blocked.smudge")


def holders_of(path):
    found = []
    for entry in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if entry.readlink() == path:
                found.append(entry)
    return found


@pytest.fixture
def blocked(repositories, tmp_path):
    repositories.fetch()
    stopped = Blocked(repositories, tmp_path)
    yield stopped
    with contextlib.suppress(ProcessLookupError):
        os.killpg(stopped.group, signal.SIGKILL)
    stopped.kill_module()


def test_a_checkout_that_was_killed_in_the_middle_is_refused_and_then_recovered(repositories, blocked):
    blocked.kill_module()
    blocked.kill_git()
    assert repositories.texts() == {"1", "2"}
    assert ".git/index.lock exists" in repositories.fetch()["msg"]
    assert "failed" not in repositories.check_out_first()
    assert (git(repositories.path, "rev-parse", "HEAD"), repositories.texts()) == (repositories.first, {"1"})
    assert git(repositories.path, "status", "--porcelain") == ""
    assert not (repositories.path / "new.js").exists()
    assert "failed" not in repositories.check_out()
    assert repositories.texts() == {"2"}


def test_a_git_that_outlived_its_module_is_not_fought(repositories, blocked):
    blocked.kill_module()
    answer = repositories.check_out_first()
    assert (answer["failed"], "index.lock is held by process" in answer["msg"]) == (True, True)
    blocked.kill_git()
    assert "failed" not in repositories.check_out_first()
    assert repositories.texts() == {"1"}


def test_two_fetches_at_once_both_end(repositories):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(repositories.fetch())) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert git(repositories.path, "cat-file", "-t", repositories.second) == "commit"
    assert any("failed" not in answer for answer in answers)
