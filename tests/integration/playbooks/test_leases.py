# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a real run, while something runs that is not of this collection."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from ansible_collections.greenlight.release.plugins.module_utils._release.record import parse_time
from one_host import Site


def test_a_run_holds_its_release_for_as_long_as_a_hook_may_take(tmp_path, running, pm2, repository):
    """The hook keeps what the record says while it runs, forward and back."""
    site = Site(tmp_path, running, pm2, repository, greenlight_long_lease_seconds=864000)
    seen = tmp_path / "seen.json"
    argv = ["sh", "-c", f"cat {site.state}/releases/*.json > {seen}"]
    hook = tmp_path / "hook.yml"
    hook.write_text(json.dumps([{"name": "Read the record", "ansible.builtin.command": {"argv": argv}}]))
    for playbook, name in (("deploy", "after_switch"), ("rollback", "after_rollback")):
        hooks = json.dumps({"greenlight_hooks": {name: [str(hook)]}, "greenlight_revision": "better"})
        status, output = site.play(playbook, "-e", hooks)
        assert status == 0, output
        until = parse_time(json.loads(seen.read_text())["lock"]["until"])
        assert until - datetime.now(timezone.utc) > timedelta(days=9)
