# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import tree_copy
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    (folder / "bin" / "tool").chmod(0o4775)
    (folder / "tool").symlink_to("bin/tool")
    (folder / "closed").mkdir()
    (folder / "closed" / "file").write_text("x" * 5000)
    (folder / "closed").chmod(0o555)
    os.utime(folder / "bin" / "tool", (1, 2))
    return folder


def test_a_copy_has_the_content_the_times_and_no_more_rights(tree, tmp_path):
    tree_copy.copy(tree, tmp_path / "copy")
    tool = tmp_path / "copy" / "bin" / "tool"
    assert (tool.read_text(), tool.stat().st_mode & 0o7777, tool.stat().st_mtime) == ("#!/bin/sh\n", 0o755, 2)
    assert os.readlink(tmp_path / "copy" / "tool") == "bin/tool"
    assert (tmp_path / "copy" / "closed" / "file").read_text() == "x" * 5000
    assert (tmp_path / "copy" / "closed").stat().st_mode & 0o777 == 0o555
    assert (tree / "bin" / "tool").stat().st_ino != tool.stat().st_ino


def test_the_size_of_a_tree_is_that_of_its_files_and_folders(tree, tmp_path):
    assert (len(list(tree_copy.sizes(tree))), max(tree_copy.sizes(tree / "closed" / "file"))) == (6, 5000)
    assert list(tree_copy.sizes(tmp_path / "nothing")) == []


@pytest.mark.parametrize("leads_to, refused", [("{tree}/bin/tool", True), ("/etc/hostname", False), ("bin", False)])
def test_a_link_into_the_release_that_is_left_is_refused(tree, tmp_path, leads_to, refused):
    (tree / "link").symlink_to(leads_to.format(tree=tree))
    if refused:
        with pytest.raises(GitError, match=f"links to {tree}/bin/tool, which the next release must not use"):
            tree_copy.copy(tree, tmp_path / "copy", tree)
    else:
        tree_copy.copy(tree, tmp_path / "copy", tree)
        assert os.readlink(tmp_path / "copy" / "link") == leads_to


def test_a_pipe_is_refused(tree, tmp_path):
    os.mkfifo(tree / "pipe")
    with pytest.raises(GitError, match="pipe is neither a file nor a folder"):
        tree_copy.copy(tree, tmp_path / "copy")


def test_what_vanishes_while_it_is_copied_is_skipped(tree, tmp_path, monkeypatch):
    listed = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: [*listed(path), "gone"])
    tree_copy.copy(tree, tmp_path / "copy")
    assert list(tree_copy.sizes(tmp_path / "copy"))
    assert not (tmp_path / "copy" / "gone").exists()


def test_a_file_that_cannot_be_written_is_not_skipped(tree, tmp_path, monkeypatch):
    def create(path):
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(tree_copy.files, "create_private", create)
    with pytest.raises(FileNotFoundError):
        tree_copy.copy(tree, tmp_path / "copy")


def test_a_tree_is_removed_and_links_are_not_followed(tree, tmp_path):
    (tmp_path / "kept").mkdir()
    (tree / "away").symlink_to(tmp_path / "kept")
    (tree / "closed").chmod(0)
    tree_copy.remove(tree)
    tree_copy.remove(tree)
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    tree_copy.remove(tmp_path / "link")
    assert os.listdir(tmp_path) == ["kept"]
