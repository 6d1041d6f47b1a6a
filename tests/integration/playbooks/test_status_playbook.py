# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
import sqlite3

import machine
import pytest

OLD, NEW = "a" * 40, "b" * 40


def play(folder, *words):
    """Run the playbook on the hosts of an inventory; return its code, and what it printed."""
    return machine.play("-i", folder / "hosts.json", "greenlight.release.status", *words, cwd=folder)


@pytest.fixture
def hosts(run_module, tmp_path):
    """An inventory of hosts in different states, all of them this machine."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": machine.interpreter()}

    def host(name, **more):
        return {"greenlight_app_name": "shop", "greenlight_state_path": str(tmp_path / name), **local, **more}

    def record(name, state, **more):
        given = {"state_path": str(tmp_path / name), "run_id": "1", "state": state, **more}
        assert "msg" not in run_module("release_record", given)

    revisions = {"release_id": "20260219T020000Z-bbbbbbbb", "app": "shop", "from_revision": OLD, "to_revision": NEW}
    for name in ("watched", "held"):
        record(name, "opened", by="alice", **revisions)
    record("watched", "noted", stage="switched", facts={"databases": [{"path": str(tmp_path / "data" / "shop.db")}]})
    record(
        "watched", "closed", outcome="watching", watch_seconds=86400, observation={"decision": "proceed", "reason": "x"}
    )
    (tmp_path / "broken" / "releases").mkdir(parents=True)
    (tmp_path / "broken" / "releases" / "x.json").write_text("{")
    gone = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = {name: host(name) for name in ("watched", "held", "new", "broken")}
    inventory.update(gone=host("gone", **gone), nameless=local)
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": inventory}}))
    return tmp_path


def test_every_host_is_in_the_table_and_one_that_was_not_asked_fails_the_run(hosts):
    code, output = play(hosts)
    lines = dict(re.findall(r'^ +"(\w+) +(.+?)",?$', output, re.MULTILINE))
    assert code == 2
    assert re.fullmatch(r"bbbbbbbb  - +\S+-bbbbbbbb  watching +2[34]h \d\dm +proceed +- +- +-", lines["watched"])
    assert re.match(r"aaaaaaaa  - +\S+-bbbbbbbb  in_progress \(opened\) +- +- +alice, until 20", lines["held"])
    assert re.match("- +- +- +no release ", lines["new"])
    assert [lines[name].split()[3] for name in ("broken", "gone", "nameless")] == ["unknown", "unreachable", "unknown"]
    assert re.search('"broken: .*x.json is not valid JSON, perhaps truncated', output)
    assert re.search('"nameless: .*greenlight_app_name', output)


def test_the_same_is_json_on_the_controller_and_a_limit_holds(hosts):
    asked = f"greenlight_status_format=json greenlight_status_file={hosts}/out.json"
    code, output = play(hosts, "--limit", "watched,new", "-e", asked)
    rows = json.loads((hosts / "out.json").read_text(encoding="utf-8"))
    assert (code, [(row["host"], row["state"]) for row in rows]) == (
        0,
        [("watched", "watching"), ("new", "no release")],
    )
    assert (rows[0]["revision"], (hosts / "out.json").stat().st_mode & 0o777) == (NEW, 0o600)
    assert '"watch_seconds_left": 86' in output
    assert "held" not in output


def test_a_format_that_is_not_known_is_refused(hosts):
    code, output = play(hosts, "--limit", "new", "-e", "greenlight_status_format=yaml")
    assert (code, "greenlight_status_format must be table or json, not 'yaml'" in output) == (2, True)


def test_every_host_may_be_out_of_reach(hosts):
    code, output = play(hosts, "--limit", "gone")
    assert (code, re.search(r'"gone +- +- +- +unreachable', output) is not None) == (2, True)


def test_the_ages_of_backup_copy_and_drill_are_in_the_table_and_in_json(hosts, run_module):
    database = hosts / "data" / "shop.db"
    database.parent.mkdir()
    sqlite3.connect(database).executescript("CREATE TABLE t (x)")
    folder = str(hosts / "watched" / "backups")
    made = run_module("sqlite_backup", {"path": str(database), "dest": folder})["backup"]["path"]
    drilled = {"dest": folder, "path": str(database), "workspace": str(hosts), "state_path": str(hosts / "watched")}
    assert run_module("sqlite_backup_drill", drilled)["backup"] == made
    assert run_module("sqlite_backup_copy", {"src": made, "command": ["true", "{file}"]})["copied"] is True
    failed = run_module("sqlite_backup_copy", {"src": made, "command": ["false", "{file}"]})["problem"]
    code, output = play(hosts, "--limit", "watched", "-e", f"greenlight_status_file={hosts}/out.json")
    assert (code, re.search(r"-bbbbbbbb  watching .* \d+s, copy \d+s, drill \d+s", output) is not None) == (0, True), (
        output
    )
    assert f"watched: {failed}" in output
    (row,) = json.loads((hosts / "out.json").read_text(encoding="utf-8"))
    assert (row["drill"]["good"], row["off_host"] == row["backup"], row["off_host_problem"]) == (True, True, failed)
