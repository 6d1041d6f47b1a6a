# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._code import stage as code_stage
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from staged_host import OLD_ID, Host


@pytest.fixture(params=["in_place", "releases"])
def host(request, tmp_path):
    return Host(tmp_path, request.param)


@pytest.fixture
def releases(tmp_path):
    return Host(tmp_path, "releases")


def read(folder):
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_tree_is_the_commit_and_what_was_built_for_the_running_one(host):
    before = host.snapshot()
    planned = host.stage()
    marker = {"REVISION": f"{host.sha}\n"} if host.kind == "releases" else {}
    assert read(planned.path) == {"a": "2", "b": "1", "new/file": "2", "node_modules/x": "built", **marker}
    assert (planned.carry_over, planned.done, host.plan().done) == (("node_modules",), False, True)
    inside = str(planned.path.parent.relative_to(host.path))
    assert {name: text for name, text in host.snapshot().items() if not name.startswith(inside)} == {
        name: text for name, text in before.items() if not name.startswith(inside)
    }
    assert (host.running / "node_modules" / "x").read_text() == "built"


def test_what_is_built_anew_is_not_carried_over(host):
    planned = host.stage(anew=("node_modules",))
    assert (planned.carry_over, (planned.path / "node_modules").exists()) == ((), False)


def test_shared_paths_lead_to_what_outlives_a_release(releases):
    releases.commit({"data/.gitkeep": ""})
    (releases.path / "shared" / "etc").mkdir()
    (releases.path / "shared" / "etc" / "app.env").write_text("secret")
    planned = releases.stage(shared=("data", "etc/app.env"))
    assert os.readlink(planned.path / "data") == "../../shared/data"
    assert os.readlink(planned.path / "etc" / "app.env") == "../../../shared/etc/app.env"
    assert (planned.path / "etc" / "app.env").read_text() == "secret"


def test_the_first_release_carries_nothing_over(releases):
    (releases.path / "current").unlink()
    assert releases.stage().carry_over == ()


def test_the_rights_follow_the_folder_of_the_app(releases):
    releases.path.chmod(0o750)
    before = os.umask(0o007)
    planned = releases.stage()
    assert os.umask(before) == 0o007
    assert [path.stat().st_mode & 0o777 for path in (planned.path, planned.path / "a")] == [0o750, 0o640]


@pytest.mark.parametrize("when", ["export", "finish"])
def test_a_failure_leaves_nothing_and_the_running_tree_as_it_was(host, monkeypatch, when):
    before, planned = host.snapshot(), host.plan()

    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    if when == "export":
        monkeypatch.setattr(code_stage, "_carry_over", fail)
    else:
        monkeypatch.setattr(code_stage.files, "sync_filesystem", fail)
    with pytest.raises(OSError, match="No space left"):
        code_stage.stage(host.run_with_index, host.wanted().move, planned)
    after = {name: text for name, text in host.snapshot().items() if not name.endswith("staged")}
    assert (after, planned.path.exists()) == (before, False)


@pytest.mark.parametrize("free, message", [(1 << 30, "Cannot export .*: fatal: x"), (10, "There is no space left in")])
def test_an_export_that_failed_says_whether_the_disk_is_full(tmp_path, monkeypatch, free, message):
    monkeypatch.setattr(os, "statvfs", lambda _path: type("Free", (), {"f_bavail": free, "f_frsize": 1}))
    with pytest.raises(GitError, match=message):
        code_stage._export(lambda _words: code_git.Done(1, "", "fatal: x"), "1" * 40, tmp_path / "new")


def test_what_a_killed_staging_left_is_replaced(host):
    planned = host.plan()
    partial = planned.path.with_name(f".{planned.path.name}.partial")
    partial.mkdir(parents=True)
    (partial / "half").write_text("x")
    host.stage()
    assert (partial.exists(), (planned.path / "half").exists()) == (False, False)


@pytest.mark.parametrize("given", [{"built": ("web/dist",)}, {"built": (), "shared": ("web/data",)}])
def test_a_link_in_the_commit_leads_nothing_out_of_the_tree(releases, tmp_path, given):
    (tmp_path / "elsewhere").mkdir()
    (releases.repositories.origin / "web").symlink_to(tmp_path / "elsewhere")
    releases.commit({})
    (releases.running / "web" / "dist").mkdir(parents=True)
    (releases.path / "shared" / "web" / "data").mkdir(parents=True)
    with pytest.raises(GitError, match=r"A folder above web/\w+ is a link or a file in"):
        releases.stage(**given)
    assert (os.listdir(tmp_path / "elsewhere"), os.listdir(releases.path / "releases")) == ([], [OLD_ID])
