# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2.config import make_config
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._switch import ecosystem, processes
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import Progress
from pm2_fakes import FakeTransport, listed
from switch_fakes import make_inputs, open_release


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Return a function that makes the inputs of a switch between revisions in which paths differ."""

    def make(*changed, known=True, **given):
        monkeypatch.setattr(ecosystem, "has_commit", lambda _git, _sha: known)
        monkeypatch.setattr(ecosystem, "changed_between", lambda *_given: ["server.js", *changed])
        open_release(tmp_path, tmp_path, "backed_up")
        return make_inputs(tmp_path, **given)

    return make


@pytest.mark.parametrize(
    "path, subfolder, said",
    [
        ("ecosystem.config.js", "", True),
        ("ecosystem.production.config.cjs", "", True),
        ("pm2.json", "", True),
        ("process.yml", "", True),
        ("backend/ecosystem.config.js", "backend", True),
        ("ecosystem.config.js", "backend", True),
        ("other/ecosystem.config.js", "backend", False),
        ("docs/ecosystem.md", "docs", False),
        ("process.js", "", False),
        ("my-ecosystem.js", "", False),
    ],
)
def test_a_changed_description_of_the_app_is_told(inputs, path, subfolder, said):
    told = ecosystem.warnings(inputs(path, subfolder=subfolder))
    assert len(told) == said
    if said:
        expected = (
            f"{path} differs between aaaaaaaa and bbbbbbbb, and nothing of it is applied: shop keeps the settings"
        )
        assert told[0].startswith(expected)


def test_a_file_that_is_applied_is_not_told_of(inputs):
    applied = inputs("ecosystem.config.js", "pm2.json", ecosystem="ecosystem.config.js")
    assert [warning.split()[0] for warning in ecosystem.warnings(applied)] == ["pm2.json"]


def test_what_did_not_change_or_is_not_known_is_not_told(inputs):
    assert ecosystem.warnings(inputs()) == []
    assert ecosystem.warnings(inputs("ecosystem.config.js", known=False)) == []
    first = inputs("ecosystem.config.js")
    assert ecosystem.warnings(replace(first, move=replace(first.move, from_sha=""))) == []


PATH = "ecosystem.config.js"


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Return a function that makes the inputs of a switch with a file that says what the app is to run with."""

    def make(direction="forward", error=None, **given):
        asked = []

        def read_configs(_host, file, name, others, beside, _cpus):
            asked.append((file, name, others, beside))
            if error:
                raise error
            return {name: make_config(name, None, {"script": "s.js", "env": {"TOKEN": "swordfish"}}, tmp_path, 1)}

        monkeypatch.setattr(ecosystem.pm2, "read_configs", read_configs)
        facts = {"ecosystem": {"path": PATH, "env_name": "live"}} if direction == "back" else {}
        open_release(tmp_path, tmp_path, "rolling_back" if direction == "back" else "backed_up", **facts)
        (tmp_path / PATH).touch()
        given = {"ecosystem": PATH, "ecosystem_env": "live", "direction": direction, **given}
        runs = listed(pid=5, env={"HAND": 1, "GONE": 1}, pm_out_log_path="/new.log", pm_err_log_path="/dev/null")
        return make_inputs(tmp_path, FakeTransport([runs]), **given), asked

    return make


def test_the_file_in_the_tree_is_ready_for_the_start(described, tmp_path):
    inputs, asked = described(restart=["worker"])
    inputs = replace(inputs, beside={"HAND": "1"}, gone={"shop": frozenset(["GONE"])})
    config = ecosystem.ready(inputs, Progress(pm2.NOTHING)).configs["shop"]
    assert (config.env, config.gone) == ({"HAND": "1", "TOKEN": "swordfish"}, {"GONE"})
    file, name, others, beside = asked[0]
    assert (file.place, file.elsewhere, file.env_name) == (tmp_path / PATH, tmp_path / PATH, "live")
    assert (name, others, beside, file.variables) == ("shop", ("worker",), {}, {"HAND": "1"})
    assert inputs.processes.host.hide("a swordfish") == "a ********"


def test_variables_of_a_rollback_count_more_than_the_file(described):
    inputs, asked = described("back")
    config = make_config("shop", None, {"env": {"A": "1"}}, inputs.move.app_path, 1)
    ecosystem.configs(replace(inputs, processes=replace(inputs.processes, config=config)))
    assert asked[0][3] == {"env": {"A": "1"}}


def test_without_a_file_the_settings_stay(described, tmp_path):
    assert ecosystem.configs(described(ecosystem=None)[0]) == {}
    inputs, _asked = described("back")
    (tmp_path / PATH).unlink()
    assert ecosystem.configs(inputs) == {}


def test_a_file_that_cannot_be_used_stops_a_release_and_no_rollback(described):
    with pytest.raises(PM2Error, match="odd"):
        ecosystem.ready(described(error=PM2Error("odd"))[0], Progress(pm2.NOTHING))
    progress = ecosystem.ready(described("back", PM2Error("odd"))[0], Progress(pm2.NOTHING))
    assert (progress.configs, progress.warnings) == ({}, ("The settings stay as they are now: odd",))


def test_a_process_that_pm2_does_not_know_has_nothing_from_elsewhere(described):
    config = make_config("shop", None, {"script": "s.js"}, described()[0].move.app_path, 1)
    assert ecosystem.with_others(config, "other", []).env == {}


@pytest.mark.parametrize("path, found", [(PATH, ["/new.log", "/old.log"]), (None, ["/old.log"])])
def test_the_logs_are_also_those_of_what_was_started(described, path, found):
    inputs, _asked = described(ecosystem=path)
    facts = {**inputs.record["facts"], "log_files": [{"path": "/old.log", "stream": "out"}]}
    inputs = replace(inputs, record={**inputs.record, "facts": facts})
    after = processes.read(inputs.processes)
    completed = pm2.Completed(None, after, None, pm2.Outcome(after, None, 0, [], None))
    assert [each["path"] for each in ecosystem.log_files(inputs, completed)] == found
