# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._survey import logs
from pm2_fakes import instance


def test_the_logs_that_the_app_writes_itself_are_found(tmp_path, monkeypatch):
    written = ("out.log", "app.log", "app-2026-11-28.log", "app-2026-11-27.log", "access.20261128-03.log")
    for name in (*written, "2026-11-28T03_11_02_123Z-debug-0.log"):
        (tmp_path / name).touch()
    (tmp_path / "_logs").mkdir()
    npm = tmp_path / "_logs" / "2026-11-28T03_11_02_123Z-debug-0.log"
    npm.touch()
    opened = [*(str(tmp_path / name) for name in written), str(npm), "/dev/pts/0", "/proc/self/comm", str(tmp_path)]
    monkeypatch.setattr(proc, "written_paths", lambda _pids: opened)
    of_pm2 = instance(pid=os.getpid(), out_log=str(tmp_path / "out.log"))
    assert logs.own_logs([of_pm2]) == [
        {"path": f"{tmp_path}/{name}", "stream": "both"} for name in ("access.*.log", "app-*.log", "app.log")
    ]


def test_of_each_log_the_end_is_read(tmp_path):
    (tmp_path / "out.log").write_text("x" * logs._SAMPLE + "end")
    for day in (27, 28):
        (tmp_path / f"app-{day}.log").write_text(f"day {day}")
    of_pm2 = instance(out_log=str(tmp_path / "out.log"), err_log=str(tmp_path / "none.log"))
    found = logs.samples([of_pm2, of_pm2], [{"path": f"{tmp_path}/app-*.log", "stream": "both"}])
    assert (len(found[0]), found[0][-4:], found[1], sorted(found[2:])) == (
        logs._SAMPLE,
        "xend",
        "",
        ["day 27", "day 28"],
    )


def test_the_style_of_the_lines_is_named():
    assert logs.styles_of(["", '{"level":"info","message":"up"}\n{"level":"info","message":"on"}\n']) == ["winston"]
    assert logs.styles_of([""]) == []
