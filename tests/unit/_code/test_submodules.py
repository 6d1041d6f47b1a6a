# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import checkout, submodules
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.submodules import Submodule
from git_commands import commit, git
from submodule_host import Host


@pytest.fixture(params=["in_place", "releases"])
def host(tmp_path, request):
    return Host(tmp_path, request.param)


def test_the_submodules_of_a_commit_are_known_with_their_urls(host):
    host.fetch()
    assert submodules.submodules_of(host.run, host.second) == (
        Submodule("lib", host.lib_second, "lib", "../library"),
        Submodule("web/theme", host.theme, "theme", "../theme"),
    )
    assert submodules.submodules_of(host.run, host.plain) == ()


def test_the_commits_of_submodules_are_fetched_with_the_revision_and_exported(host, tmp_path):
    assert host.fetch()["changed"] is True
    assert host.fetch()["changed"] is False
    assert [each.path for each in submodules.entries_of(host.run, host.where, host.second)] == [
        "lib/index.js",
        "lib/same",
        "web/theme/theme.css",
    ]
    stage = host.stage()
    assert (stage / "lib" / "index.js").read_text() == "2"
    assert ((stage / "web" / "theme" / "theme.css").read_text(), (stage / "lib" / "same").read_text()) == ("a", "same")
    assert (stage / "server.js").read_text() == "2"
    assert not list(stage.rglob(".git"))


def test_the_files_that_differ_in_submodules_are_changed_paths_and_their_lock_files_are_known(host):
    locked = commit(host.library, {"package-lock.json": "{}"})
    sha = host.point("lib", locked)
    fetched = host.fetch(sha)
    assert fetched["lock_files"] == ["lib/package-lock.json"]
    changed = set(fetched["changed_paths"]) - {".gitmodules", "server.js"}
    assert changed == {"lib", "lib/index.js", "lib/package-lock.json", "web/theme", "web/theme/theme.css"}


def test_before_a_first_release_all_files_are_changed_paths(tmp_path):
    host = Host(tmp_path, "releases")
    (host.path / "current").unlink()
    host.fetch()
    found = submodules.changed_files(host.run, host.run, host.where, "", host.second)
    assert found == ["lib/index.js", "lib/same", "web/theme/theme.css"]
    assert submodules.changed_files(host.run, host.run, host.where, host.second, host.second) == []


def test_a_rehearsal_fetches_nothing_to_the_host(host):
    before = sorted(host.path.rglob("*"))
    assert host.fetch(rehearse=True)["changed"] is True
    assert sorted(host.path.rglob("*")) == before
    # A commit that is there may lack those of its submodules.
    code_git.fetch(host.run, str(host.origin), host.second)
    assert host.plan_stage(may_lack_commit=True).files == 2


@pytest.mark.parametrize(
    "url, repository, expected",
    [
        ("../lib.git", "https://h/group/shop.git", "https://h/group/lib.git"),
        ("../lib.git", "ssh://git@h:22/group/shop.git/", "ssh://git@h:22/group/lib.git"),
        ("../../other/lib", "git@h:group/shop.git", "git@h:other/lib"),
        ("./lib", "/srv/git/shop", "/srv/git/shop/lib"),
        ("https://h/lib", "/srv/git/shop", "https://h/lib"),
        ("git@h:lib", "https://h/shop", "git@h:lib"),
        ("/srv/lib", "file:///srv/shop", "/srv/lib"),
    ],
)
def test_a_url_is_read_as_git_reads_it(url, repository, expected):
    assert submodules.url_of(Submodule("lib", "1" * 40, "lib", url), repository) == expected


@pytest.mark.parametrize("url", ["/etc", "file:///etc", "ext::sh -c true", "-u", "http:/x"])
def test_no_commit_chooses_what_is_read_or_run_on_the_host(url):
    with pytest.raises(GitError, match="The submodule lib has the URL .*, which is not fetched; correct it"):
        submodules.url_of(Submodule("lib", "1" * 40, "lib", url), "https://h/shop.git")


@pytest.mark.parametrize(
    "settings, message",
    [
        ("", "has no URL for the submodule lib in .gitmodules; add it there"),
        (
            '[submodule "../../x"]\n\tpath = lib\n\turl = ../library\n',
            "has a submodule called '../../x', which cannot be",
        ),
        (
            '[submodule "lib"]\n\tpath = lib\n\turl = ../gone\n'
            '[submodule "theme"]\n\tpath = web/theme\n\turl = ../theme\n',
            "Cannot fetch from .*/gone: ",
        ),
    ],
)
def test_a_submodule_that_cannot_be_fetched_is_refused_by_name(host, settings, message):
    sha = commit(host.origin, {".gitmodules": settings}, "settings")
    with pytest.raises(GitError, match=message):
        host.fetch(sha)


def test_a_checkout_with_submodules_is_not_moved_alone(tmp_path):
    host = Host(tmp_path, "in_place")
    host.fetch()
    with pytest.raises(GitError, match="has submodules, which only release_switch moves; release it with that"):
        checkout.bring_to(host.run, host.path, host.second, None, False)


def test_submodules_of_submodules_are_refused_by_name(host):
    git(host.library, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../theme", "deep")
    git(host.library, "commit", "--quiet", "--message", "deeper")
    sha = host.point("lib", git(host.library, "rev-parse", "HEAD"))
    with pytest.raises(GitError, match=r"submodule lib of .* has submodules itself \(deep\), which are not supported"):
        host.fetch(sha)
