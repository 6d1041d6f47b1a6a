# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import move
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.layout import Move
from ansible_collections.greenlight.release.plugins.module_utils._code.move import (
    check_move,
    lies_free,
    read_plan,
    rename,
    write_plan,
)
from code_layouts import ID, ONE, TWO


@pytest.mark.parametrize(
    "change, message",
    [
        ({"kind": "docker"}, "The layout must be one of in_place, releases, not 'docker'"),
        ({"app_path": Path("srv")}, "The path of the app must be absolute, not 'srv'"),
        ({"release_id": "../x"}, "The release id must look like 20260219T020000Z-0639294c, not '../x'"),
        ({"from_sha": "main"}, "A revision must be a full commit SHA in lower case, not 'main'"),
        ({"to_sha": "A" * 40}, "A revision must be a full commit SHA in lower case, not 'AAAA"),
        ({"built_paths": ("/etc",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("../x",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": (".git/x",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("x/",)}, "A built path must be relative to the app and lie in it"),
        ({"built_paths": ("x", "x")}, "The built path 'x' is given twice"),
        ({"shared_paths": ("x", "x/y")}, "The shared path 'x/y' is given twice, or lies in another one"),
        ({"built_paths": ("x/y",), "shared_paths": ("x",)}, "The built and shared path 'x/y' is given twice"),
    ],
)
def test_a_move_that_cannot_be_meant_is_refused(change, message):
    with pytest.raises(GitError) as raised:
        check_move(replace(Move("in_place", Path("/srv"), ID, ONE, TWO, ("node_modules",), ("data",)), **change))
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_plan_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(GitError, match="find out what changed it"):
        read_plan(tmp_path / "plan.json")


def test_a_plan_that_was_written_is_read_again_and_there_is_none_before(tmp_path):
    file = tmp_path / "plan.json"
    assert read_plan(file) is None
    write_plan(file, {"from": ONE, "to": TWO, "swapped": {"node_modules": True}})
    assert read_plan(file) == {"from": ONE, "to": TWO, "swapped": {"node_modules": True}}
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.parametrize(
    "path, free",
    [
        ("node_modules", True),
        ("linked", True),
        ("folder/node_modules", True),
        ("missing/folder/x", True),
        ("linked/x", False),
        ("file/x", False),
        ("folder/broken/x", False),
    ],
)
def test_a_path_lies_free_where_only_plain_folders_lead_to_it(tmp_path, path, free):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "linked").symlink_to(tmp_path / "folder")
    (tmp_path / "folder" / "broken").symlink_to("nowhere")
    assert lies_free(tmp_path, path) is free


def test_a_rename_is_on_the_disk_in_both_folders_before_it_returns(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(move.files, "sync", synced.append)
    for name in ("from", "to"):
        (tmp_path / name).mkdir()
    (tmp_path / "from" / "x").write_text("moved")
    rename(tmp_path / "from" / "x", tmp_path / "to" / "y")
    assert (tmp_path / "to" / "y").read_text() == "moved"
    assert sorted(synced) == [tmp_path / "from", tmp_path / "to"]
