# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import ssh


@pytest.mark.parametrize(
    "said, todo",
    [
        ("root@h: Permission denied (publickey).\nfatal: Could not read", "let that host know"),
        (
            "Host key verification failed.",
            "get the key of that host from its owner",
        ),
        (
            "Host key for h has changed and you\nHost key verification failed.",
            "whether it has a new key",
        ),
        ("fatal: '/srv/x.git' does not appear to be a git repository", ""),
        ("error: cannot open .git/FETCH_HEAD: Permission denied", ""),
    ],
)
def test_what_to_do_follows_from_what_ssh_says(said, todo):
    advice = ssh.advise(said)
    assert todo in advice
    assert bool(todo) == bool(advice)


def test_what_git_adds_to_each_failure_of_ssh_is_left_out_unless_it_is_all():
    added = ["fatal: Could not read from remote repository.", "", "Please make sure you have the correct access rights"]
    assert ssh.without_repeats(["ssh: Could not resolve hostname h: unknown", *added]) == [
        "ssh: Could not resolve hostname h: unknown"
    ]
    assert ssh.without_repeats(added) == [added[0], added[2]]
