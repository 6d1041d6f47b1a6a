# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import host as sample
import pytest


@pytest.fixture(autouse=True)
def up(host):
    """Wait until the host has started everything."""
    host.run("systemctl is-system-running --wait")
    host.check_output("curl --silent --retry 30 --retry-delay 1 --retry-connrefused http://127.0.0.1:3000/health")


def test_the_host_was_rebooted(host):
    assert not host.file("/run/not-rebooted").exists


def test_the_released_revision_serves_again(host):
    better = sample.revision(host, "better")
    assert sample.read_json(host, "curl -s http://127.0.0.1:3000/health") == {"status": "ok", "revision": better}


def test_it_was_started_by_the_service_of_its_user(host):
    assert host.service("pm2-sample").is_enabled
    assert host.service("pm2-sample").is_running
    assert not host.service("sample-pm2").is_running
    process = sample.process(host)
    assert process["pm2_env"]["status"] == "online"
    assert host.check_output(f"ps -o user= -p {process['pid']}") == "sample"
    assert "pm2-sample.service" in host.file(f"/proc/{process['pid']}/cgroup").content_string


def test_what_pm2_saved_can_be_read_by_its_user_alone(host):
    dump = host.file("/home/sample/.pm2/dump.pm2")
    assert (dump.mode, dump.user) == (0o600, "sample")


def test_no_row_is_lost(host):
    traffic = sample.read_json(host, "cat /srv/sample-app-data/traffic.json")
    assert int(sample.query(host, "SELECT count(*) FROM items")) >= 20000 + traffic["acknowledged"]
