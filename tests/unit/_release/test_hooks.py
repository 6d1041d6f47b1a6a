# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.filter.hook_files import hook_files
from ansible_collections.greenlight.release.plugins.filter.notified_events import notified_events
from ansible_collections.greenlight.release.plugins.module_utils._release.hooks import HOOKS

NONE = {name: [] for name in HOOKS}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "hooks").mkdir()
    for name in ("a.yml", "hooks/b.yml"):
        (tmp_path / name).write_text("[]")
    return tmp_path


def test_files_are_found_from_the_folder_of_the_playbook_in_their_order(folder):
    given = {"migrate": ["hooks/b.yml", f"{folder}/a.yml"], "drain": None, "undrain": []}
    assert hook_files(given, str(folder)) == {**NONE, "migrate": [f"{folder}/hooks/b.yml", f"{folder}/a.yml"]}
    assert hook_files({}, "/") == NONE


@pytest.mark.parametrize(
    "given, problem",
    [
        (["a.yml"], "greenlight_hooks must be a mapping of names to lists of task files"),
        (None, "greenlight_hooks must be a mapping of names to lists of task files"),
        ({"befor_switch": ["a.yml"]}, "greenlight_hooks has 'befor_switch'; there are the hooks drain, before_switch"),
        ({1: []}, "greenlight_hooks has '1'; there are the hooks"),
        ({"migrate": "a.yml"}, "greenlight_hooks.migrate must be a list of task files, not 'a.yml'"),
        ({"migrate": 1}, "greenlight_hooks.migrate must be a list of task files, not 1"),
        ({"migrate": ["a.yml", 1]}, "greenlight_hooks.migrate must be a list of task files, not ['a.yml', 1]"),
        ({"drain": ["a.yml", "c.yml"]}, "greenlight_hooks.drain has 'c.yml', but there is no file"),
        ({"drain": ["hooks"]}, "greenlight_hooks.drain has 'hooks', but there is no file"),
        ({"drain": [""]}, "greenlight_hooks.drain has '', but there is no file"),
    ],
)
def test_a_wrong_hook_is_refused_by_its_name(folder, given, problem):
    with pytest.raises(AnsibleFilterError) as refused:
        hook_files(given, str(folder))
    assert problem in str(refused.value)


def test_the_events_are_those_that_somebody_wants():
    slack = {"type": "slack", "url": "https://hooks.slack.com/x"}
    assert notified_events([]) == []
    wanted = [{**slack, "events": ["rollback"]}, {**slack, "events": ["start", "rollback"]}]
    assert notified_events(wanted) == ["start", "rollback"]
    with pytest.raises(AnsibleFilterError, match=r"^greenlight_notifications\[1\].url is missing"):
        notified_events([slack, {"type": "slack"}])
