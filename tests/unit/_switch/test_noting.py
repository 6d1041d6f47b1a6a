# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import store
from ansible_collections.greenlight.release.plugins.module_utils._release.record import RecordError
from ansible_collections.greenlight.release.plugins.module_utils._switch import noting
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress
from switch_fakes import ID, make_inputs, open_release

BEGUN = Progress(pm2.NOTHING)


def read(inputs):
    return store.find_record(store.read_records(inputs.state_path), ID)


def test_only_the_run_that_holds_the_release_may_note(tmp_path):
    open_release(tmp_path, tmp_path, "backed_up")
    inputs = make_inputs(tmp_path)
    other = replace(inputs, change=replace(inputs.change, run_id="run-2", by="bob"))
    with pytest.raises(RecordError, match="is held by alice"):
        noting.note(other, BEGUN, "switched")
    assert read(inputs)["stage"] == "backed_up"


def test_what_the_steps_have_learned_of_the_databases_goes_before_what_was_known(tmp_path):
    """The record of an earlier version had the facts of its only database alone; what is noted is a list."""
    known = {"backup": "/b/1.pages", "schema": ["5" * 64, 1]}
    open_release(tmp_path, tmp_path, "rolling_back", databases=[{"path": "/srv/shop.db", "verify": "full", **known}])
    inputs = make_inputs(tmp_path, direction="back")
    assert noting.facts_of_databases(inputs, BEGUN) == [{"path": "/srv/shop.db", "verify": "full", **known}]
    noting.note(inputs, BEGUN.learned({"databases": [{"path": "/srv/shop.db"}], "cursor": {}}), None, "databases")
    facts = read(inputs)["facts"]
    assert (facts["databases"], "cursor" in facts) == ([{"path": "/srv/shop.db"}], False)
