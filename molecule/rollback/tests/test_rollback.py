# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import host as sample


def test_the_old_revision_is_checked_out_and_runs(host):
    good = sample.revision(host, "good")
    assert host.check_output("sudo -u sample git -C /srv/sample-app rev-parse HEAD") == good
    assert sample.read_json(host, "curl -s http://127.0.0.1:3000/health") == {"status": "ok", "revision": good}


def test_the_process_belongs_to_the_service_user_and_is_online(host):
    process = sample.process(host)
    assert process["pm2_env"]["status"] == "online"
    assert host.check_output(f"ps -o user= -p {process['pid']}") == "sample"


def test_the_database_has_its_old_schema_and_every_acknowledged_write(host):
    traffic = sample.read_json(host, "cat /srv/sample-app-data/traffic.json")
    assert sample.query(host, "PRAGMA user_version") == "1"
    assert sample.query(host, "PRAGMA integrity_check") == "ok"
    assert sample.query(host, "PRAGMA journal_mode") == "wal"
    assert int(sample.query(host, "SELECT count(name) FROM items")) >= 20000 + traffic["acknowledged"] > 20000


def test_the_record_says_why(host):
    record = sample.record(host)
    assert (record["status"], record["decision"], record["lock"]) == ("rolled_back", "rollback", None)
    assert "server_starts" in record["reason"]
    assert record["facts"]["databases"][0]["restored"]["reason"].startswith(
        "the schema changed since the backup, and the old code cannot"
    )


def test_what_was_replaced_is_set_aside(host):
    folder = sample.record(host)["facts"]["databases"][0]["restored"]["set_aside"]
    assert host.file(f"{folder}/app.db").mode == 0o600
    assert host.check_output(f"sqlite3 {folder}/app.db 'PRAGMA user_version'") == "2"


def test_the_evidence_is_that_of_the_bad_release(host):
    evidence = sample.record(host)["facts"]["evidence"]
    assert evidence["log"]["critical_errors"]["count"] > 0
    assert "column" in evidence["log"]["critical_errors"]["last"]
