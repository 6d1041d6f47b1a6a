# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import host as sample


def test_the_better_revision_is_checked_out_and_runs(host):
    better = sample.revision(host, "better")
    assert host.check_output("sudo -u sample git -C /srv/sample-app rev-parse HEAD") == better
    assert sample.read_json(host, "curl -s http://127.0.0.1:3000/health") == {"status": "ok", "revision": better}


def test_the_process_belongs_to_the_service_user_and_is_online(host):
    process = sample.process(host)
    assert process["pm2_env"]["status"] == "online"
    assert host.check_output(f"ps -o user= -p {process['pid']}") == "sample"


def test_the_record_has_one_release_that_is_watched(host):
    record = sample.record(host)
    assert (record["status"], record["decision"], record["lock"]) == ("watching", "proceed", None)
    assert record["from_revision"] == sample.revision(host, "good")
    assert record["to_revision"] == sample.revision(host, "better")
    assert len(host.check_output(f"ls {sample.STATE}/releases").splitlines()) == 1


def test_every_row_that_is_due_passed(host):
    findings = sample.record(host)["observations"][0]["findings"]
    assert {finding["outcome"] for finding in findings} == {"pass", "not_due"}


def test_the_backup_is_private_and_complete(host):
    backup = sample.record(host)["facts"]["databases"][0]["backup"]
    assert (host.file(backup).mode, host.file(backup).user) == (0o600, "sample")
    manifest = sample.read_json(host, f"cat {backup}.json")
    assert host.check_output(f"sha256sum {backup}").split()[0] == manifest["sha256"]
    assert manifest["base"], "the snapshot taken while users wrote was brought up to the last committed write"
    folder = backup.rpartition("/")[0]
    base = sample.read_json(host, f"cat {folder}/{manifest['base']}.json")
    assert (base["sha256"], base["row_counts"]["items"] >= 20000) == (manifest["base_sha256"], True)


def test_no_acknowledged_write_was_lost(host):
    traffic = sample.read_json(host, "cat /srv/sample-app-data/traffic.json")
    assert int(sample.query(host, "SELECT count(*) FROM items")) >= 20000 + traffic["acknowledged"] > 20000
