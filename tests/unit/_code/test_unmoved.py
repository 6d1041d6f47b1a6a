# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code.git import GitError
from ansible_collections.greenlight.release.plugins.module_utils._code.unmoved import refuse_unmoved


def test_what_the_commands_made_and_no_release_would_move_is_refused_by_name(tmp_path):
    refuse_unmoved(tmp_path / "nothing was staged", [], [])
    for name in ("a.js", "web/a.js", "web/node_modules/x", "packages/x", "dist/x", "node_modules/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("made")
    (tmp_path / "lib").symlink_to("/etc")
    tracked, built = ["a.js", "web/a.js", "lib/b.js"], ["node_modules"]
    with pytest.raises(GitError, match=r"made dist, lib, packages, web/node_modules, which .* greenlight_built_paths"):
        refuse_unmoved(tmp_path, tracked, built)
    refuse_unmoved(tmp_path, tracked, [*built, "web/node_modules", "packages/x", "dist", "lib"])
