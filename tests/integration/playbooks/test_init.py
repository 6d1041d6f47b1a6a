# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that init writes for the app of the runbook, which somebody started by hand, and a rehearsal."""

from __future__ import annotations

import yaml
from git_commands import git
from shapes import MONOREPO, NEW, OLD, Running


def test_the_variables_of_init_are_those_of_the_app_and_are_written_once(shared_pm2, tmp_path, free_port):
    cctv = Running(MONOREPO, tmp_path, shared_pm2, free_port)
    cctv.start()
    # Without a terminal nobody is asked.
    git(cctv.path, "remote", "rename", "origin", "elsewhere")
    status, output = cctv.init()
    assert (status, "lacks what could not be seen: greenlight_repository" in output) == (2, True), output
    cctv.variables.unlink()
    git(cctv.path, "remote", "rename", "elsewhere", "origin")
    status, output = cctv.init()
    assert status == 0, output
    found = yaml.safe_load(cctv.variables.read_text())
    backend = cctv.path / "backend"
    assert (found["greenlight_app_subfolder"], found["greenlight_port"]) == ("backend", cctv.port)
    assert found["greenlight_databases"] == [str(backend / "data" / name) for name in ("cctv.db", "events.db")]
    assert found["greenlight_log_files"] == [{"path": str(backend / "logs" / "app.log"), "stream": "both"}]
    assert found["greenlight_cache_stats_url"].endswith("/api/cache/stats")
    before = cctv.variables.read_text()
    assert "# Its logs have lines as of winston." in before
    status, output = cctv.init()
    left = "is there already and was left as it is" in output
    assert (status, left, cctv.variables.read_text()) == (2, True, before), output

    sha = cctv.change(OLD, NEW)
    status, output = cctv.deploy("--check", "--diff")
    assert (status, sha in output, cctv.version()) == (0, True, 1), output
