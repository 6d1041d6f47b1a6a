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
    ],
)
def test_the_many_words_of_an_ecosystem_file_become_one(given, word, value):
    assert settings.canonical(given) == {word: value}
