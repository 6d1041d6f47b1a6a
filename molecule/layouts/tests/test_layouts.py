# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import host as sample

SITE = "/srv/sample-app-data/site"


def test_no_request_was_lost_by_the_reload(host):
    traffic = sample.read_json(host, "cat /srv/sample-app-data/traffic.json.after-release")
    assert (traffic["failed"], traffic["sent"] > 100) == (0, True)


def test_the_release_had_a_folder_of_its_own_that_names_its_revision(host):
    folder = host.check_output(f"readlink {SITE}/current.after-release")
    assert folder == f"releases/{sample.record(host)['id']}"
    assert host.check_output(f"cat {SITE}/{folder}/REVISION") == sample.revision(host, "better")


def test_the_old_release_runs_again(host):
    good = sample.revision(host, "good")
    assert sample.read_json(host, "curl -s http://127.0.0.1:3000/health") == {"status": "ok", "revision": good}
    assert host.check_output(f"readlink {SITE}/current") == "releases/20260219T010000Z-00000000"
    assert sample.record(host)["status"] == "rolled_back"


def test_both_instances_work_in_the_folder_of_the_old_release(host):
    listed = host.check_output("sudo -u sample -i pm2 jlist")
    pids = [process["pid"] for process in sample.json.loads(listed[listed.index("[{") :])]
    folders = {host.check_output(f"sudo -u sample readlink /proc/{pid}/cwd") for pid in pids}
    assert (len(pids), folders) == (2, {f"{SITE}/releases/20260219T010000Z-00000000"})


def test_no_acknowledged_write_was_lost(host):
    traffic = sample.read_json(host, "cat /srv/sample-app-data/traffic.json")
    assert int(sample.query(host, "SELECT count(*) FROM items")) >= 20000 + traffic["acknowledged"] > 20000
