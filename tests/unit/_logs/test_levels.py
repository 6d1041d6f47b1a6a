# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs.levels import LevelFinder
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk

LINES = [
    "all is well",
    "Error: x",
    '{"level":30,"error":null}',
    '{"level":50,"msg":"x"}',
    '{"severity":"Fatal","msg":"x"}',
    '2026-02-19 {"level":"warn","msg":"x"}',
    '{"message":"Error: x","type":"err","app_name":"shop"}',
    "Node.js v20.20.2",
]


@pytest.mark.parametrize("level, numbers", [(60, [4, 7]), (50, [1, 3, 4, 6, 7]), (40, [1, 3, 4, 5, 6, 7])])
def test_lines_that_may_be_of_a_level_are_found(level, numbers):
    chunk = Chunk("".join(f"{line}\n" for line in LINES).encode())
    starts = [start for start, _line in chunk.lines()]
    assert sorted(LevelFinder(level).find(chunk)) == [starts[number] for number in numbers]
    assert LevelFinder(level).count(chunk) == len(numbers)
