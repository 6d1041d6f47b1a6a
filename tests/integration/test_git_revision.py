# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import os
import threading
from pathlib import Path

import pytest
from git_commands import git


@pytest.fixture
def checkout(tmp_path, repository):
    """A clone of the sample app at revision good."""
    path = tmp_path / "app"
    # By its URL, since a clone of a plain path shares all objects.
    git(tmp_path, "clone", "--quiet", "--branch", "good", "--single-branch", f"file://{repository[0]}", str(path))
    return path


def resolve(run_module, repository, revision, **more):
    given = {"state": "resolved", "repository": str(repository), "revision": revision, **more}
    return run_module("git_revision", given)


def fetch(run_module, checkout, repository, revision, check=False):
    given = {"path": str(checkout), "repository": str(repository[0]), "sha": repository[1][revision]}
    return run_module("git_revision", {"state": "fetched", **given}, check=check)


def test_a_revision_is_resolved_fetched_and_checked_out(run_module, checkout, repository):
    sha = resolve(run_module, repository[0], "better")["sha"]
    assert sha == repository[1]["better"]
    assert fetch(run_module, checkout, repository, "better", check=True)["changed"] is True
    fetched = fetch(run_module, checkout, repository, "better")
    assert (fetched["changed"], fetched["head"], fetched["forced"]) == (True, repository[1]["good"], False)
    assert (fetched["changed_paths"], fetched["commit_count"]) == (["items.js"], 1)
    assert fetch(run_module, checkout, repository, "better")["changed"] is False
    given = {"state": "checked_out", "path": str(checkout), "sha": sha}
    assert run_module("git_revision", given, check=True)["changed"] is True
    done = run_module("git_revision", given, diff=True)
    assert (done["changed"], done["diff"]["after"]) == (True, f"{sha}\n")
    assert run_module("git_revision", given)["changed"] is False


@pytest.mark.parametrize(
    "repository_url, revision, message",
    [
        ("/nonexistent", "main", "The repository /nonexistent cannot be asked for main"),
        ("/nonexistent", "--upload-pack=touch /tmp/x", "is no branch, tag or commit SHA"),
        ("ext::sh -c true", "main", "is no repository"),
        (None, "unheard-of", "has no branch or tag unheard-of"),
    ],
)
def test_what_cannot_be_resolved_is_reported(run_module, repository, repository_url, revision, message):
    result = resolve(run_module, repository_url or repository[0], revision)
    assert (result["failed"], message in result["msg"]) == (True, True)


def test_a_dirty_checkout_is_refused_by_name(run_module, checkout, repository):
    (checkout / "server.js").write_text("hotfix")
    assert "has local changes in server.js" in fetch(run_module, checkout, repository, "better")["msg"]


def test_a_checkout_of_somebody_else_is_refused(run_module, tmp_path, repository):
    given = {"state": "fetched", "path": str(tmp_path), "repository": str(repository[0]), "sha": "1" * 40}
    assert "is not a git checkout that this user can use" in run_module("git_revision", given)["msg"]


def test_a_checkout_that_was_killed_is_recovered(run_module, checkout, repository):
    fetch(run_module, checkout, repository, "better")
    (checkout / "items.js").write_text("half")
    (checkout / ".git" / "index.lock").write_text("")
    sha, other = repository[1]["good"], repository[1]["better"]
    given = {"state": "checked_out", "path": str(checkout), "sha": sha}
    assert "index.lock exists" in run_module("git_revision", given)["msg"]
    done = run_module("git_revision", {**given, "recover": True, "from_sha": other})
    assert done.get("msg") is None
    assert git(checkout, "status", "--porcelain") == ""


def test_a_token_is_sent_and_never_shown(run_module):
    seen, shown = [], []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers.get("Authorization"))
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit() and int(entry.name) != os.getpid():
                    try:
                        shown.append((entry / "cmdline").read_bytes())
                    except OSError:
                        continue
            self.send_error(404)

        def log_message(self, *_arguments):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        result = resolve(run_module, f"http://bob:hunter2@127.0.0.1:{server.server_port}/r.git", "main")
        server.shutdown()
        thread.join()
    assert seen[0] == "Basic Ym9iOmh1bnRlcjI="
    assert (result["failed"], "hunter2" in str(result)) == (True, False)
    assert any(b"git" in command for command in shown)
    assert not any(b"hunter2" in command for command in shown)


def test_the_commit_in_place_is_only_read(run_module, checkout, repository):
    read = run_module("git_revision", {"state": "read", "path": str(checkout)})
    assert (read["changed"], read["sha"], read["head"]) == (False, repository[1]["good"], repository[1]["good"])
