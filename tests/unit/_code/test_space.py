# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import space
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError


def test_files_take_whole_blocks():
    assert space.on_disk([0, 1, 4096, 4097]) == 4 * 4096


@pytest.mark.parametrize(
    "changed, message",
    [
        (
            {"f_bavail": 5000, "f_frsize": 4096},
            "There is no space for the new files in .*: 19 MiB are free, it needs 31",
        ),
        ({"f_files": 1000, "f_favail": 120}, "There are 120 inodes free in .*, and 21 are needed"),
        ({"f_files": 0, "f_favail": 0}, None),
    ],
)
def test_a_full_filesystem_is_reported_before_anything_is_written(changed, message, monkeypatch):
    free = {"f_bavail": 1 << 30, "f_frsize": 4096, "f_files": 1 << 30, "f_favail": 1 << 30, **changed}
    monkeypatch.setattr(os, "statvfs", lambda _path: type("Free", (), free))
    if message:
        with pytest.raises(GitError, match=message):
            space.refuse_full(Path("/srv"), 15 << 20, 21)
    else:
        space.refuse_full(Path("/srv"), 15 << 20, 21)
