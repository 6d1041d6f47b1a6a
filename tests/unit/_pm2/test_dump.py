# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import dump as pm2_dump
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.program import Program
from pm2_fakes import FULL, make_disk

KEPT = {"name": "shop", "pm_exec_path": "/srv/a.js", "env": {"A": "1", "unique_id": "u"}, "status": "online"}


def process(**changes):
    return {"pm_id": 0, "name": "shop", "pm2_env": {**KEPT, "pm_id": 0, "pm_uptime": 5, **changes}}


@pytest.mark.parametrize(
    "text, saved", [(None, []), ("", []), ("{}", []), ('[1, {"name": "x"}]', [{"name": "x"}])], ids=str
)
def test_what_was_saved_is_read_where_it_can_be(tmp_path, text, saved):
    if text is not None:
        (tmp_path / "dump.pm2").write_text(text)
    assert pm2_dump.read_dump(tmp_path) == saved


@pytest.mark.parametrize(
    "saved, processes, same",
    [
        ([KEPT], [process()], True),
        ([KEPT], [process(restart_time=9, status="launching", env={"A": "1", "unique_id": "v"})], True),
        ([KEPT], [process(env={"A": "2"})], False),
        ([KEPT], [process(status="stopped")], False),
        ([KEPT], [process(), process()], False),
        ([KEPT, {"name": "other"}], [process()], True),
        ([], [process()], False),
        ([], [], True),
        ([KEPT], [], False),
        ([{"name": "shop"}], [{"pm_id": 0, "name": "shop"}], False),
    ],
)
def test_what_would_be_resurrected_is_compared_with_what_runs(saved, processes, same):
    assert pm2_dump.is_saved(saved, processes, "shop") is same


def test_the_logs_of_a_process_that_was_saved_are_known(tmp_path):
    shop = {"name": "shop", "pm_out_log_path": "/l/out", "pm_err_log_path": "/l/error"}
    saved = [shop, {**shop, "pm_out_log_path": "/l/out-1"}, {"name": "shop"}, {**shop, "name": "other"}]
    (tmp_path / "dump.pm2").write_text(json.dumps(saved))
    assert pm2_dump.saved_logs(tmp_path, "shop") == {("/l/out", "out"), ("/l/out-1", "out"), ("/l/error", "err")}
    assert pm2_dump.saved_logs(tmp_path / "none", "shop") == set()


def test_root_learns_of_no_log_from_the_list_of_another_user(tmp_path, owners):
    (tmp_path / "dump.pm2").write_text(json.dumps([{"name": "shop", "pm_out_log_path": "/etc/shadow"}]))
    assert pm2_dump.saved_logs(tmp_path, "shop") == {("/etc/shadow", "out")}
    owners.give(tmp_path, 12345)
    assert pm2_dump.saved_logs(tmp_path, "shop") == set()


def test_the_list_is_saved_for_its_user_alone(tmp_path):
    dump = tmp_path / "dump.pm2"
    dump.write_text("[]")
    dump.chmod(0o644)
    script = tmp_path / "pm2"
    script.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        f"seen = [sys.argv[1:], os.stat({str(dump)!r}).st_mode & 0o777]\n"
        f"json.dump(seen, open({str(tmp_path / 'dump.pm2.bak')!r}, 'w'))\n"
    )
    script.chmod(0o755)
    pm2_dump.save(Program(str(script), {"PATH": os.defpath}, 20), tmp_path)
    backup = tmp_path / "dump.pm2.bak"
    assert json.loads(backup.read_text()) == [["save", "--force", "--silent"], 0o600]
    assert (dump.stat().st_mode & 0o777, backup.stat().st_mode & 0o777) == (0o600, 0o600)


@pytest.mark.parametrize("saved", [True, False])
def test_what_was_saved_is_kept_where_there_is_no_room(tmp_path, monkeypatch, saved):
    """PM2 empties the list and its backup before it finds that out."""
    if saved:
        (tmp_path / "dump.pm2").write_text("[1]")
    make_disk(monkeypatch, **FULL)
    with pytest.raises(PM2Error, match="No space is left for PM2_HOME"):
        pm2_dump.save(Program("/nonexistent/pm2", {}, 20), tmp_path)
    assert (tmp_path / "dump.pm2").exists() is saved


def test_a_file_that_cannot_be_made_private_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "dump.pm2").touch(mode=0o644)

    def refuse(_path, _mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(PM2Error, match=r"Cannot make .*dump\.pm2 private: Operation not permitted; become the user"):
        pm2_dump.make_private(tmp_path)


@pytest.mark.parametrize(
    "file, folder, readable", [(0o644, 0o755, True), (0o640, 0o755, False), (0o644, 0o700, False), (None, 0o755, False)]
)
def test_a_file_is_readable_where_every_folder_above_lets_others_through(tmp_path, monkeypatch, file, folder, readable):
    modes = {tmp_path / "dump.pm2": file, tmp_path: folder}

    def stat(path):
        if modes.get(path, 0o755) is None:
            raise FileNotFoundError
        return os.stat_result((modes.get(path, 0o755), *[0] * 9))

    monkeypatch.setattr(Path, "stat", stat)
    assert pm2_dump.readable_by_others(tmp_path) is readable
