# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import settings


@pytest.mark.parametrize(
    "given, word, value",
    [
        ({"killTimeout": 5}, "kill_timeout", 5),
        ({"interpreterArgs": "-x"}, "node_args", "-x"),
        ({"interpreter": "bun"}, "exec_interpreter", "bun"),
        ({"exec": "a.js"}, "script", "a.js"),
        ({"err_log": "/e"}, "error_file", "/e"),
        ({"windowsHide": True}, "windowsHide", True),
        ({"env_productionLike": {}}, "env_productionLike", {}),
        ({"errFile": "/e"}, "errFile", "/e"),
        ({"executeCommand": True}, "executeCommand", True),
        ({"kill_timeout": 0, "killTimeout": 5}, "kill_timeout", 5),
        ({"stopExitCodes": 0}, "stop_exit_codes", 0),
        ({"port": 0}, "port", 0),
        ({"script": "", "cmd": "a.js", "exec": "b.js"}, "script", "a.js"),
        ({"merge_logs": False}, "merge_logs", False),
    ],
)
def test_the_many_words_of_an_ecosystem_file_become_one(given, word, value):
    assert settings.canonical(given) == {word: value}


@pytest.mark.parametrize("given", [{"kill_timeout": 0}, {"wait_ready": False}, {"out_file": ""}, {"args": None}])
def test_what_counts_as_false_is_lost_behind_the_name_of_a_setting(given):
    assert settings.canonical(given) == {}


def test_no_value_is_lost_when_it_is_written():
    app = {"stop_exit_codes": 0, "port": 0, "merge_logs": False, "kill_timeout": 5, "env_x": {}, "other": 0}
    written = {"stopExitCodes": 0, "port": 0, "merge_logs": False, "kill_timeout": 5, "env_x": {}, "other": 0}
    assert settings.as_pm2_takes_it(app) == written


@pytest.mark.parametrize(
    "given, kept",
    [
        ({"exec_interpreter": "python3"}, {"exec_interpreter": "python3"}),
        ({"exec_interpreter": "node"}, {}),
        ({"exec_interpreter": "node@24"}, {}),
        ({"log_file": True}, {}),
        ({"log_file": "all-0.log", "cwd": "/srv"}, {"pm_log_path": "/srv/all.log"}),
        ({"log_file": "NULL"}, {"pm_log_path": "/dev/null"}),
        ({"ignore_watch": "a b"}, {"ignore_watch": ["a", "b"]}),
    ],
)
def test_what_pm2_keeps_of_a_setting(given, kept):
    assert settings.kept_settings(given) == kept
