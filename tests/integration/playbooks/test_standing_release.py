# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release that is watched, after a later one was rolled back to it."""

from __future__ import annotations

from one_host import Site


def test_a_watch_goes_on_after_a_later_release_was_rolled_back(tmp_path, running, pm2, repository):
    # Every tenth of these requests fails in the later release.
    site = Site(tmp_path, running, pm2, repository, greenlight_response_time_url=f"{running.url}/api/items")
    status, output = site.deploy("better")
    assert status == 0, output
    status, output = site.deploy("logs-errors")
    assert (status, site.revision()) == (2, site.shas["better"]), output
    assert "critical_errors" in site.records()[1]["reason"], output

    status, output = site.play("verify")
    assert (status, "the release is watching" in output) == (0, True), output
    watched, rejected = site.records()
    assert [record["status"] for record in (watched, rejected)] == ["watching", "rolled_back"]
    # What the later release wrote and restarted is not held against it.
    seen = watched["observations"][-1]["measurements"]
    assert (len(watched["observations"]), seen["critical_errors"], seen["restarts"]) == (2, 0, 0)

    status, output = site.play("rollback", "-e", f"greenlight_rollback_release={watched['id']}")
    assert (status, site.revision()) == (0, site.shas["good"]), output
    assert site.records()[0]["status"] == "rolled_back"
