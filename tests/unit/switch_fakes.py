# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of a switch share: a release that is on record, and the inputs of its switch under a fake PM2."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime, timezone

from ansible_collections.greenlight.release.plugins.module_utils._release import record as release_record
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._switch import inputs
from pm2_fakes import FakeTransport, Time, listed, make_fake_host

OLD, NEW = "a" * 40, "b" * 40
ID = "20260219T020000Z-bbbbbbbb"
NOW = datetime(2026, 2, 19, 2, 0, tzinfo=timezone.utc)
RUN = "run-1"


def params(state_path, **given):
    """Return the options of the module with their defaults."""
    return {
        "direction": "forward",
        "state_path": str(state_path),
        "run_id": RUN,
        "release_id": None,
        "by": "alice",
        "lease": 60,
        "lease_after": None,
        "record": None,
        "phase": "whole",
        "strategy": "restart",
        "roll_back": False,
        "trial_port": None,
        "restart_app": True,
        "restart": [],
        "backups": ["/b/shop.pages"],
        "databases": [],
        "backup_verify": "quick",
        "backup_timeout": 5,
        "database": "auto",
        "restore_within": "10m",
        "restore_loses_at_most": 0,
        "migrate": [],
        "migrate_timeout": 5,
        "rehearse": "never",
        "allowed_holders": ["litestream"],
        "port": None,
        "stable_for": 0,
        "timeout": 5,
        "start_timeout": None,
        "stop_timeout": None,
        "git_timeout": 5,
        "save": False,
        "executable": "/nonexistent/pm2",
        "subfolder": "",
        "ecosystem": None,
        "ecosystem_env": None,
        "repository": None,
        "deploy_key": None,
        **given,
    }


def open_release(state_path, app_path, stage=None, **facts):
    """Put a release on record, and return the record."""
    opening = release_record.Opening("shop", ID, OLD, NEW, RUN, "alice", 60)
    known = {"app_path": str(app_path), "process_name": "shop", "pm2_home": str(state_path), "log_files": []}
    known.update({"databases": [{"path": str(app_path / "shop.db")}], **facts})
    with store.exclusive(state_path, os.geteuid()):
        opened = release_record.open_release([], opening, NOW)
        change = release_record.Change(RUN, "alice", 60, stage=stage, facts=known)
        noted = release_record.note(opened, change, NOW)
        store.write_record(state_path, noted)
    return noted


def system(**environment):
    clock = Time().clock()
    return inputs.System(environment, os.geteuid(), lambda: NOW, clock, "abc123")


def make_inputs(state_path, transport=None, is_rehearsal=False, environment=None, **given):
    """Read the inputs of the switch of the release on record, with a fake way to PM2."""
    host = make_fake_host(state_path, transport or FakeTransport([listed(pid=5)]))
    read = inputs.read(params(state_path, **given), {}, host.secrets, system(**environment or {}), is_rehearsal)
    return replace(read, processes=replace(read.processes, host=host))
