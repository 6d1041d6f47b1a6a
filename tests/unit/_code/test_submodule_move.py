# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import shutil

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import layout, submodule_move
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from git_commands import commit, git
from submodule_host import Host

BEFORE = {"server.js": "1", "lib/index.js": "1", "lib/same": "same"}
AFTER = {"server.js": "2", "lib/index.js": "2", "lib/same": "same", "web/theme/theme.css": "a"}


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path, "in_place")


def forward(host, **commits):
    move, run = host.move(**commits), host.make_run(host.path)
    layout.check_forward(run, move)
    return layout.forward(run, move)


def back(host, **commits):
    move, run = host.move(**commits), host.make_run(host.path)
    layout.check_back(run, move)
    return layout.back(run, move)


def test_submodules_move_with_the_checkout_and_roll_back_with_it(host):
    host.fetch()
    shutil.move(str(host.library), str(host.folder / "gone"))
    assert (host.seen(), forward(host)) == (BEFORE, [])
    assert host.seen() == AFTER
    assert git(host.path / "lib", "rev-parse", "HEAD") == host.lib_second
    # People go on with the program itself.
    assert git(host.path, "submodule", "status").splitlines()[1].split()[:2] == [host.theme, "web/theme"]
    assert (back(host), host.seen()) == ([], BEFORE)
    assert (forward(host), host.seen()) == ([], AFTER)


def test_a_checkout_that_was_moved_by_hand_rolls_back_to_what_the_old_revision_had(host):
    git(host.path, "pull", "--quiet", "--no-recurse-submodules")
    git(host.path, "-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init")
    host.fetch()
    assert (forward(host), host.seen()) == ([], AFTER)
    assert back(host) == []
    assert {name: text for name, text in host.seen().items() if "theme" not in name} == BEFORE


def test_a_commit_that_a_submodule_does_not_have_any_more_is_none_to_roll_back_to(host):
    shutil.rmtree(host.path / "lib")
    git(host.folder, "init", "--quiet", host.path / "lib")
    other = commit(host.path / "lib", {"index.js": "0"})
    assert submodule_move.heads(host.run, host.path, host.first) == {"lib": other}


@pytest.mark.parametrize(
    "name, found", [("lib/index.js", True), ("lib/other.db", False), ("web/theme/theme.css", True)]
)
def test_a_database_that_a_submodule_tracks_is_refused(host, name, found):
    host.fetch()
    given = (host.make_run(host.path), host.move(), host.path / name)
    if not found:
        layout.refuse_database(*given)
        return
    with pytest.raises(GitError, match=f"{name} is a part of .*, so a checkout would replace the database"):
        layout.refuse_database(*given)


def test_files_that_git_ignores_in_a_submodule_stay(host):
    (host.path / "lib" / "local.env").write_text("own")
    git(host.path / "lib", "config", "core.excludesFile", str(host.folder / "ignored"))
    (host.folder / "ignored").write_text("*.env\n")
    host.fetch()
    forward(host)
    assert (host.path / "lib" / "local.env").read_text() == "own"
    back(host)
    assert (host.path / "lib" / "local.env").read_text() == "own"


def test_a_submodule_that_the_release_added_and_somebody_used_is_kept_and_named(host):
    host.fetch()
    forward(host)
    (host.path / "web" / "theme" / "own.css").write_text("own")
    (note,) = back(host)
    assert note.startswith(f"{host.path}/web/theme was not there before, and has files that no revision has")
    assert (host.path / "web" / "theme" / "own.css").read_text() == "own"


def test_a_first_revision_with_submodules_and_one_without_are_moved_to(host):
    git(host.path, "submodule", "--quiet", "deinit", "--all", "--force")
    git(host.path, "checkout", "--quiet", host.plain)
    shutil.rmtree(host.path / "lib", ignore_errors=True)
    shutil.rmtree(host.path / ".git" / "modules")
    host.fetch()
    commits = {"from_sha": host.plain, "to_sha": host.second}
    assert (forward(host, **commits), host.seen()) == ([], AFTER)
    assert (back(host, **commits), host.seen()) == ([], {"server.js": "0"})


def test_a_submodule_that_is_no_part_of_the_new_revision_stays_where_it_is(host):
    host.fetch(host.plain)
    commits = {"from_sha": host.first, "to_sha": host.plain}
    forward(host, **commits)
    assert (host.path / "lib" / "index.js").read_text() == "1"
    assert (back(host, **commits), host.seen()) == ([], BEFORE)


@pytest.mark.parametrize("direction", ["forward", "back"])
@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_move_that_was_killed_is_completed_or_undone(host, direction, dies_at, monkeypatch):
    """The checkout comes first, then its submodules; the one that was being written is half of a file."""
    host.fetch()
    if direction == "back":
        forward(host)
    real, calls = submodule_move.checkout.check_out, []

    def check_out(*given):
        calls.append(given)
        if len(calls) == dies_at:
            (host.path / "lib" / "index.js").write_text("half" if dies_at > 1 else "1")
            raise Killed
        real(*given)

    move, run = host.move(), host.make_run(host.path)
    with monkeypatch.context() as patched, contextlib.suppress(Killed):
        patched.setattr(submodule_move.checkout, "check_out", check_out)
        (layout.forward if direction == "forward" else layout.back)(run, move)
    assert len(calls) == min(dies_at, 3 if direction == "forward" else 2)
    forward(host)
    assert host.seen() == AFTER
    back(host)
    assert host.seen() == BEFORE


def test_a_new_checkout_of_a_submodule_that_was_killed_is_made_again(host, monkeypatch):
    host.fetch()
    real = submodule_move._make

    def make(run, path, submodule):
        real(run, path, submodule)
        (path / submodule.path / "theme.css").write_text("half")
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(submodule_move, "_make", make)
        forward(host)
    assert (forward(host), host.seen()) == ([], AFTER)


def refused(host, message, sha=None):
    with pytest.raises(GitError, match=message):
        host.fetch(sha)


def test_changes_in_a_submodule_are_refused_by_name_before_anything_is_moved(host):
    (host.path / "lib" / "index.js").write_text("hotfix")
    refused(host, f"The submodule {host.path}/lib has local changes in index.js; commit them elsewhere or undo them")
    git(host.path / "lib", "checkout", "--quiet", ".")
    git(host.path / "lib", "checkout", "--quiet", "HEAD~1")
    refused(host, f"The submodule {host.path}/lib is at .*, not at {host.lib_first} as the revision has it; call git")
    git(host.path / "lib", "checkout", "--quiet", host.lib_first)
    (host.path / "web" / "theme").mkdir(parents=True)
    host.fetch()
    (host.path / "web" / "theme" / "own").write_text("")
    refused(host, f"{host.path}/web/theme is in the place of a submodule, and no checkout of it; move it away")
    shutil.rmtree(host.path / "web" / "theme")
    (host.path / "web" / "theme").symlink_to(host.folder)
    refused(host, f"{host.path}/web/theme is in the place of a submodule")


def test_a_file_in_the_way_of_one_of_a_submodule_is_refused(host):
    lib = commit(host.library, {"more.js": "3"}, "third")
    sha = host.point("lib", lib)
    (host.path / "lib" / "more.js").write_text("own")
    host.fetch(host.second)
    git(host.path / "lib", "fetch", "--quiet")
    refused(host, "would overwrite more.js in .*/lib, which git does not track", sha)


@pytest.mark.parametrize("from_is", ["plain", "first"])
def test_a_folder_that_becomes_a_submodule_or_is_no_longer_one_is_refused(host, from_is):
    git(host.origin, "rm", "--quiet", "-f", "lib")
    files = commit(host.origin, {"lib/index.js": "a file"}, "files")
    if from_is == "first":
        refused(host, f"{host.first} has a submodule lib, {files} has files there, which is not supported", files)
        return
    git(host.path, "submodule", "--quiet", "deinit", "--all", "--force")
    git(host.path, "fetch", "--quiet", "--no-recurse-submodules")
    git(host.path, "checkout", "--quiet", files)
    refused(host, f"{host.second} has a submodule lib, {files} has files there, which is not supported", host.second)


def test_what_was_not_fetched_is_refused_before_the_switch(host):
    git(host.path, "fetch", "--quiet", "--no-recurse-submodules")
    with pytest.raises(GitError, match=f"does not have {host.lib_second} of the submodule lib; fetch it first"):
        forward(host)


def test_a_commit_that_is_gone_is_told_before_the_rollback(host):
    with pytest.raises(GitError, match=f"/lib does not have the commit {'1' * 40} any more; fetch it first"):
        submodule_move.check_back(host.run, host.path, {"lib": "1" * 40})
