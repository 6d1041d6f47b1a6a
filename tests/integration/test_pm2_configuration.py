# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole wanted configuration of a process: what differs is changed, and nothing else."""

from __future__ import annotations

import json

import pytest
from machine import PATIENT, SHORT
from small_app import Load, SmallApp, flip


@pytest.fixture
def small(tmp_path, free_port):
    return SmallApp(tmp_path / "app", free_port)


@pytest.fixture
def manage(run_module, shared_pm2):
    def run(check=False, diff=False, **arguments):
        given = {"name": "small", "stable_for": 0.3, "timeout": PATIENT, **arguments}
        return run_module("pm2_process", shared_pm2.arguments(**given), check=check, diff=diff)

    return run


@pytest.mark.parametrize(
    "more, action, keys",
    [
        (
            {
                "kill_timeout": 3000,
                "max_memory_restart": "300M",
                "args": ["--fast", "two words"],
                "node_args": ["--max-old-space-size=200"],
                "time": True,
                "listen_timeout": 2000,
            },
            "restart",
            {"kill_timeout", "max_memory_restart", "args", "node_args", "log_date_format", "listen_timeout"},
        ),
        ({"instances": 2}, "recreate", {"exec_mode", "instances"}),
        ({"out_file": "/dev/null"}, "recreate", {"pm_out_log_path"}),
    ],
    ids=["what PM2 takes over", "instances", "log file"],
)
def test_a_setting_that_differs_is_changed_once(manage, small, more, action, keys):
    first = manage(**small.arguments())
    assert (first.get("msg"), first["action"]) == (None, "create")
    rehearsed = manage(check=True, diff=True, **small.arguments(), **more)
    assert (rehearsed["action"], keys <= set(rehearsed["diff"]["after"])) == (action, True)
    changed = manage(**small.arguments(), **more)
    assert (changed.get("msg"), changed["action"], changed["changed"]) == (None, action, True)
    again = manage(**small.arguments(), **more)
    assert (again.get("msg"), again["action"], again["changed"]) == (None, "none", False)
    assert again["after"][0]["pid"] == changed["after"][0]["pid"]
    back = manage(**small.arguments())
    assert (back.get("msg"), back["action"]) == (None, action)


def test_variables_are_added_changed_and_removed_and_never_shown(manage, small):
    manage(**small.arguments(OLD="old-secret", KEPT="kept-secret"))
    wanted = small.arguments(NEW="new-secret", KEPT="kept-secret2")
    changed = manage(diff=True, **wanted)
    assert changed["diff"]["before"].items() >= {"env.OLD": "hidden value", "env.KEPT": "hidden value"}.items()
    assert changed["diff"]["after"].items() >= {"env.OLD": None, "env.NEW": "another hidden value"}.items()
    assert "secret" not in json.dumps(changed)
    env = small.ask()["env"]
    assert (env.get("OLD"), env["NEW"], env["KEPT"]) == (None, "new-secret", "kept-secret2")
    assert manage(**wanted)["changed"] is False


def test_variables_alone_are_put_over_what_runs(manage, small):
    manage(**small.arguments(KEPT="kept"))
    changed = manage(env={"NEW": "new"})
    assert (changed.get("msg"), changed["action"]) == (None, "restart")
    assert small.ask()["env"].items() >= {"KEPT": "kept", "NEW": "new"}.items()
    assert manage(env={"NEW": "new"})["changed"] is False


def test_another_process_is_not_touched(manage, small, tmp_path, run_module):
    manage(**small.arguments())
    pid = small.ask()["pid"]
    manage(name="other", script="server.js", cwd=str(small.folder), env={"ILL": "never listens"}, port=0)
    manage(name="other", state="restarted", port=0)
    manage(name="other", state="absent")
    assert small.ask()["pid"] == pid


@pytest.mark.parametrize(
    "name", ["ecosystem.config.js", "ecosystem.config.cjs", "ecosystem.config.mjs", "app.json", "app.yml", "app.yaml"]
)
def test_an_ecosystem_file_of_every_kind_is_followed(manage, small, name):
    app = {"name": "small", "script": "server.js", "env": {"PORT": small.port, "A": 1}, "killTimeout": "2000"}
    texts = {
        "ecosystem.config.cjs": f"module.exports = [{json.dumps(app)}];",
        "app.yaml": json.dumps([app]),
        "ecosystem.config.js": f"console.log('noise'); module.exports = {{apps: [{json.dumps(app)}]}};",
        "ecosystem.config.mjs": f"export default {{apps: [{json.dumps(app)}]}};",
        "app.json": f"// a comment\n{{apps: [{json.dumps(app)}],}}",
        "app.yml": json.dumps({"apps": [app]}),
    }
    file = small.folder / name
    file.write_text(texts[name])
    begun = manage(config=str(file), env={"B": "2"}, port=small.port)
    assert (begun.get("msg"), begun["action"], begun["after"][0]["kill_timeout"]) == (None, "create", 2000)
    assert small.ask()["env"].items() >= {"A": "1", "B": "2"}.items()
    assert manage(config=str(file), env={"B": "2"})["changed"] is False
    file.write_text(texts[name].replace('"A": 1', '"A": 3'))
    assert manage(config=str(file), env={"B": "2"})["action"] == "restart"
    assert small.ask()["env"]["A"] == "3"


BLOCKS = {
    "env": {"NODE_ENV": "development"},
    "env_production": {"NODE_ENV": "production", "KEY": "of production"},
    "env_staging": {"NODE_ENV": "staging"},
}


def test_a_process_keeps_its_block_of_variables_unless_told_otherwise(run_module, shared_pm2, small):
    """A12: `pm2 start --env production`, then pm2_process with the same file."""
    file = small.folder / "ecosystem.config.js"
    described = {"name": "small", "script": "server.js", **BLOCKS}
    described["env"] = {**described["env"], "PORT": str(small.port)}
    file.write_text(f"module.exports = {{apps: [{json.dumps(described)}], deploy: {{staging: {{env: {{D: 1}}}}}}}}")
    shared_pm2("start", file, "--env", "production", where=small.folder)

    def manage(**given):
        arguments = {"name": "small", "config": str(file), "stable_for": 0.3, "timeout": PATIENT, **given}
        return run_module("pm2_process", shared_pm2.arguments(**arguments))

    refused = manage()
    assert "runs with env_production of its ecosystem file" in refused["msg"]
    assert "set env_name to production" in refused["msg"]
    assert "no env_prod; correct the name of the block" in manage(env_name="prod")["msg"]
    kept = manage(env_name="production")
    assert (kept.get("msg"), kept["action"]) == (None, "none")
    other = manage(env_name="staging")
    assert (other.get("msg"), other["action"]) == (None, "restart")
    assert small.ask()["env"].items() >= {"NODE_ENV": "staging", "D": "1"}.items()
    # The process is one of this module by now, and the file has changed.
    file.write_text(file.read_text().replace('"staging"', '"stage"'))
    assert "runs with env_staging" in manage()["msg"]
    assert manage(env_name="staging")["action"] == "restart"
    file.write_text(file.read_text().replace('"stage"', '"another"'))
    assert "runs with env_staging" in manage()["msg"]
    without = manage(env_name="")
    assert (without.get("msg"), small.ask()["env"]["NODE_ENV"]) == (None, "development")
    assert (manage()["action"], manage(env_name="production")["action"]) == ("none", "restart")


@pytest.mark.parametrize(
    "text, message",
    [
        ("module.exports = {apps: [{name: 'other', script: 'x.js'}]};", "describes other, so 'small' is not one app"),
        ("throw new Error('no settings');", "no settings"),
        ("process.exit(0);", "ended Node before it was read"),
        ("module.exports = () => ({apps: []});", "exports a function or a promise, which PM2 does not call"),
        ("module.exports = Promise.resolve({apps: []});", "exports a function or a promise"),
        ("module.exports = 5;", "it exports no object"),
        ("require('dotenv').config();", "Cannot find module 'dotenv'"),
        ("for (;;) require('fs').writeSync(1, 'x'.repeat(1000));", "printed more than 4194304 bytes"),
        (None, "does not exist"),
    ],
)
def test_an_ecosystem_file_that_does_not_describe_the_app_is_refused(manage, small, text, message):
    file = small.folder / "ecosystem.config.js"
    if text:
        file.write_text(text)
    assert message in manage(config=str(file))["msg"]


@pytest.mark.parametrize(
    "more, message",
    [
        ({"script": "missing.js"}, "missing.js does not exist; correct script"),
        ({"cwd": "/nonexistent"}, "The working folder /nonexistent does not exist; correct cwd"),
        ({"max_memory_restart": "much"}, "max_memory_restart must be a number, or one followed by K, M, G, not 'much'"),
        ({"script": "a server.js"}, "PM2 takes a script with a space for a shell command"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_before_anything_is_touched(manage, small, more, message):
    manage(**small.arguments())
    pid = small.ask()["pid"]
    assert message in manage(**{**small.arguments(), **more})["msg"]
    assert small.ask()["pid"] == pid


@pytest.mark.parametrize("instances", [None, 2], ids=["fork", "cluster"])
@pytest.mark.parametrize("state", ["started", "restarted", "reloaded"])
def test_a_flipped_link_is_followed(manage, tmp_path, free_port, state, instances):
    releases = [SmallApp(tmp_path / "releases" / number, free_port) for number in ("1", "2")]
    current = tmp_path / "current"
    flip(current, releases[0].folder)
    wanted = {**releases[0].arguments(instances=instances), "cwd": str(current)}
    begun = manage(**wanted)
    assert (begun.get("msg"), releases[0].ask()["release"]) == (None, "1")
    flip(current, releases[1].folder)
    known = {} if state == "started" else {"state": state}
    moved = manage(**{**known, "port": free_port, "path_under": str(releases[1].folder)})
    assert (moved.get("msg"), moved["changed"]) == (None, True)
    assert {releases[0].ask()["release"] for _ask in range(4)} == {"2"}
    assert manage(port=free_port)["changed"] is False


def test_a_process_that_was_started_inside_of_an_old_release_is_moved(manage, shared_pm2, tmp_path, free_port):
    releases = [SmallApp(tmp_path / "releases" / number, free_port) for number in ("1", "2")]
    current = tmp_path / "current"
    flip(current, releases[0].folder)
    shared_pm2("start", releases[0].folder / "server.js", "--name", "small", env={"PORT": str(free_port)})
    flip(current, releases[1].folder)
    refused = manage(state="restarted", path_under=str(current), timeout=SHORT)
    assert "does not lie under" in refused["msg"]
    moved = manage(**{**releases[0].arguments(), "cwd": str(current)})
    assert (moved.get("msg"), moved["action"], releases[0].ask()["release"]) == (None, "restart", "2")


@pytest.mark.parametrize("env", [{}, {"NEW": "1"}], ids=["as it was", "with another variable"])
def test_a_reload_loses_no_request(manage, small, env):
    wanted = small.arguments(instances=2)
    manage(**wanted)
    with Load(small) as load:
        result = manage(**{**wanted, "env": {**wanted["env"], **env}, "state": "reloaded"})
    assert (result.get("msg"), result["action"]) == (None, "reload")
    assert (load.failures, load.asked > 20) == ([], True)
    after = {each["pid"] for each in result["after"]}
    assert (len(after), after & {each["pid"] for each in result["before"]}) == (2, set())
    assert small.ask()["env"].items() >= env.items()


def test_a_reload_that_does_not_serve_leaves_the_other_instances(manage, small):
    manage(**small.arguments(instances=3), listen_timeout=500)
    source = small.folder / "server.js"
    source.write_text("setInterval(() => {}, 1000);")
    result = manage(state="reloaded", port=small.port, timeout=SHORT)
    assert "the other 2 instances were left as they were" in result["msg"]
    assert small.ask()["release"] == "app"


def test_a_reload_in_fork_mode_is_a_restart_with_a_warning(manage, small):
    manage(**small.arguments())
    result = manage(state="reloaded", port=small.port)
    assert "runs in fork mode, where PM2 can only restart it" in str(result["warnings"])
    assert 0 < result["port_closed_for"] < 10


def test_the_facts_of_every_instance_are_reported(manage, small):
    result = manage(**small.arguments(instances=2))
    for each in result["after"]:
        assert each["memory"] > 10_000_000
        assert (each["exec_mode"], each["cwd"]) == ("cluster_mode", str(small.folder))
        assert each["node_version"].count(".") == each["pm2_version"].count(".") == 2
        assert 0 < each["uptime"] < 60
    assert (result["ports"], result["transport"], len(result["after"])) == ([small.port], "socket", 2)


def test_what_runs_is_saved_privately_and_only_when_it_is_not_yet(manage, small, shared_pm2):
    pm2 = shared_pm2
    saved = manage(**small.arguments(), save=True)
    assert (saved.get("msg"), saved["saved"]) == (None, True)
    dump = pm2.home / "dump.pm2"
    assert (dump.stat().st_mode & 0o777, len(json.loads(dump.read_text()))) == (0o600, 1)
    again = manage(**small.arguments(), save=True)
    assert (again["saved"], again["changed"]) == (False, False)
    restarted = manage(state="restarted", save=True)
    assert (restarted["saved"], dump.stat().st_mode & 0o777) == (True, 0o600)
    pm2("kill")
    pm2("resurrect")
    assert manage(port=small.port)["changed"] is False
    assert manage(state="absent", save=True)["saved"] is True
    assert json.loads(dump.read_text()) == []


def test_a_saved_list_that_everybody_can_read_is_warned_about(manage, small, shared_pm2):
    pm2 = shared_pm2
    manage(**small.arguments())
    pm2("save")
    (pm2.home / "dump.pm2").chmod(0o644)
    for folder in (pm2.home.parent, pm2.home):
        folder.chmod(0o755)
    assert "can be read by every user" in str(manage()["warnings"])


def test_secrets_are_in_no_list_of_processes_and_not_in_the_message_of_a_crash(manage, small, shared_pm2, tmp_path):
    pm2 = shared_pm2
    seen = tmp_path / "arguments"
    spy = tmp_path / "bin" / "pm2"
    spy.parent.mkdir()
    spy.write_text(f'#!/bin/sh\necho "$@" >> {seen}\nexec {pm2.executable} "$@"\n')
    spy.chmod(0o755)
    (small.folder / "server.js").write_text("console.error(process.env.TOKEN); process.exit(1)")
    result = manage(**small.arguments(TOKEN="swordfish-1"), executable=str(spy))
    assert "swordfish" not in json.dumps(result) + seen.read_text()
    assert "********" in result["msg"]


@pytest.mark.parametrize("instances", [None, 2], ids=["fork", "cluster"])
def test_the_revision_is_read_where_the_process_really_works(manage, shared_pm2, run_module, tmp_path, instances):
    app = SmallApp(tmp_path / "releases" / "1", 0)
    (app.folder / "REVISION").write_text("1\n")
    (tmp_path / "releases" / "2").mkdir()
    (tmp_path / "releases" / "2" / "REVISION").write_text("2\n")
    flip(tmp_path / "current", app.folder)
    wanted = {**app.arguments("never listens", instances=instances), "cwd": str(tmp_path / "current"), "port": 0}
    begun = manage(**wanted, revision_path="REVISION", revision="1")
    assert (begun.get("msg"), begun["ready"]) == (None, True)
    (app.folder / "REVISION").write_text("3\n")
    given = {"name": "small", "port": 0, "revision_path": "REVISION"}
    seen = run_module("pm2_process_info", shared_pm2.arguments(**given, revision="1"))
    assert (seen["ready"], seen["reason"]) == (False, "instance 0 runs revision '3' by REVISION, not '1'")
    refused = manage(port=0, revision_path="REVISION", revision="2", timeout=SHORT)
    assert "runs revision '3' by REVISION, not '2'" in refused["msg"]
    assert "count only together" in manage(port=0, revision="2")["msg"]


SHARED = {"instances": 2, "increment_var": "PORT"}


@pytest.mark.parametrize(
    "given",
    [
        {"script": "npm start", "instances": 1},
        {"script": "python3", "args": "-m http.server 0 --bind 127.0.0.1", "instances": 1},
        {"instances": -1},
        SHARED,
        {**SHARED, "exec_mode": "fork"},
        {"stop_exit_codes": [0]},
        {"stop_exit_codes": 0},
        {"stop_exit_codes": [0, 3]},
        {"out_file": "NULL", "error_file": "NULL"},
        {"args": ["--number", 5]},
        {"cron_restart": 0},
    ],
    ids=str,
)
def test_over_what_pm2_made_of_the_same_file_nothing_is_done(run_module, shared_pm2, small, given):
    (small.folder / "package.json").write_text('{"scripts": {"start": "node server.js"}}')
    file = small.folder / "ecosystem.config.js"
    described = {"name": "small", "script": "server.js", "env": {"PORT": str(small.port)}, **given}
    file.write_text(f"module.exports = {{apps: [{json.dumps(described)}]}}")
    shared_pm2("start", file, where=small.folder)
    wanted = shared_pm2.arguments(name="small", config=str(file), stable_for=0.3, timeout=PATIENT)
    for _again in range(2):
        seen = run_module("pm2_process", wanted)
        assert (seen.get("msg"), seen["action"]) == (None, "none")
        # The same once more, with a process that the module itself has made.
        assert run_module("pm2_process", {**wanted, "state": "absent"})["action"] == "delete"
        assert run_module("pm2_process", wanted)["action"] == "create"


def test_a_variable_that_pm2_counts_up_stays_another_one_in_each_instance(run_module, shared_pm2, small):
    file = small.folder / "ecosystem.config.js"

    def manage(**env):
        described = {"name": "small", "script": "server.js", "env": {"PORT": str(small.port), **env}, **SHARED}
        file.write_text(f"module.exports = {{apps: [{json.dumps(described)}]}}")
        done = run_module(
            "pm2_process", shared_pm2.arguments(name="small", config=str(file), stable_for=0.3, timeout=PATIENT)
        )
        assert done.get("msg") is None
        return done["action"], [each["pm2_env"]["env"]["PORT"] - small.port for each in shared_pm2.processes()]

    assert manage() == ("create", [0, 1])
    assert manage(NEW="1") == ("restart", [0, 1])
    small.port += 100
    assert manage(NEW="1") == ("recreate", [0, 1])
