# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks, run by the real ansible-playbook for the sample app on this machine."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys

import pytest
from git_commands import commit, git
from machine import interpreter, play, wait_for
from one_host import Site
from small_app import Load

TASKS = 20


def tasks_in(output):
    return sum(line.startswith("TASK [") for line in output.splitlines())


@pytest.fixture
def site(tmp_path, running, pm2, repository):
    return Site(tmp_path, running, pm2, repository)


def test_a_release_is_rehearsed_made_in_few_tasks_and_not_made_twice(site):
    before = (site.pids(), site.revision(), sorted(site.app.path.rglob("*")))
    status, output = site.deploy("better", "--check", "--diff")
    assert status == 0, output
    for fact in (site.shas["better"], "items.js", "decision_would_be", "takes_the_steps", "Make the revision better"):
        assert fact in output
    assert (site.pids(), site.revision(), sorted(site.app.path.rglob("*"))) == before
    assert not site.state.exists()

    status, output = site.deploy("better")
    assert (status, site.revision()) == (0, site.shas["better"]), output
    assert tasks_in(output) <= TASKS, output
    assert "PROCEED  " in output, "the decision"
    assert [record["status"] for record in site.records()] == ["watching"]

    pids = site.pids()
    status, output = site.deploy("better")
    assert (status, "changed=0" in output, site.pids()) == (0, True, pids), output

    records = site.records()
    status, output = site.play("rollback", "--check", "--diff")
    assert (status, "takes_the_steps" in output, site.records(), site.pids()) == (0, True, records, pids), output

    status, output = site.play("rollback")
    assert (status, site.revision()) == (0, site.shas["good"]), output


def test_a_build_happens_in_a_tree_of_its_own_and_is_rolled_back(site):
    """The tree is built while the old revision serves; a revision that does not start is rolled back with its files."""
    (site.app.path / "node_modules").mkdir()
    (site.app.path / "node_modules" / "which").write_text("old")
    (site.app.path / ".git" / "info" / "exclude").write_text("node_modules\n")
    code = "import pathlib; p = pathlib.Path('node_modules'); p.mkdir(exist_ok=True); (p / 'which').write_text('new')"
    options = json.dumps({"greenlight_build_command": [sys.executable, "-c", code]})
    status, output = site.deploy("better", "-e", options)
    assert (status, (site.app.path / "node_modules" / "which").read_text()) == (0, "new"), output
    status, output = site.play("rollback")
    assert (status, (site.app.path / "node_modules" / "which").read_text()) == (0, "old"), output
    pids = site.pids()
    options = json.dumps({"greenlight_build_command": ["false"], "greenlight_retry_rejected": True})
    status, output = site.deploy("better", "-e", options)
    assert (status, "was aborted, nothing was changed: false ended with status 1" in output, site.pids()) == (
        2,
        True,
        pids,
    ), output
    assert site.records()[-1]["status"] == "aborted"


def test_a_lock_file_in_a_folder_is_installed_there_as_the_app_would(site, tmp_path):
    """The packages move with the release; what the commands said is kept, and a lock file of nobody is named."""
    source, pnpm = tmp_path / "source", tmp_path / "bin" / "pnpm"
    shutil.copytree(site.repository, source)
    git(source, "checkout", "--quiet", "better")
    sha = commit(source, {"backend/pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "yarn.lock": ""})
    (site.app.path / ".git" / "info" / "exclude").write_text("node_modules\n.env\n")
    (site.app.path / ".env").write_text("API_TOKEN=in-the-file\n")
    pnpm.parent.mkdir()
    pnpm.write_text('#!/bin/sh\necho "$@"\nmkdir node_modules && touch node_modules/dep\n')
    pnpm.chmod(0o755)
    code = "import os; print(os.getcwd(), os.environ['API_TOKEN'], os.environ['GREENLIGHT_REVISION'])"
    options = {
        "greenlight_repository": str(source),
        "greenlight_app_subfolder": "backend",
        "greenlight_build_command": [sys.executable, "-c", f"{code}; print(open('../.env').read())"],
    }
    options.update(greenlight_revision=sha)
    own = {**os.environ, "PATH": f"{pnpm.parent}:{os.environ['PATH']}"}
    words = ("-i", site.inventory, "greenlight.release.deploy", "-e", json.dumps(options))
    status, output = play(*words, env=own)
    assert (status, site.revision()) == (0, sha), output
    assert (site.app.path / "backend" / "node_modules" / "dep").is_file(), output
    assert "yarn.lock changed, and no command installs it" in " ".join(output.split()), output
    (kept,) = (site.state / "output").glob("*.log")
    said = kept.read_text()
    assert "$ pnpm install --frozen-lockfile --prod=false\ninstall --frozen-lockfile --prod=false\n" in said, said
    assert f"new/backend ******** {sha}\nAPI_TOKEN=***" in said, said
    assert (kept.stat().st_mode & 0o777, "in-the-file" in output) == (0o600, False), output


def test_local_changes_are_refused_or_put_aside_and_named(site):
    (site.app.path / "items.js").write_text((site.app.path / "items.js").read_text() + "// hotfix\n")
    status, output = site.deploy("better")
    assert (status, "has local changes in items.js" in output, site.records()) == (2, True, []), output
    status, output = site.deploy("better", "-e", "greenlight_local_changes=keep")
    assert (status, site.revision()) == (0, site.shas["better"]), output
    (patch,) = (site.app.path / ".git" / "greenlight" / "aside").glob("*/changes.diff")
    assert (str(patch.parent) in output, "+// hotfix" in patch.read_text(), "// hotfix" in output) == (
        True,
        True,
        False,
    )


def test_what_a_build_makes_outside_of_the_built_paths_is_refused_while_the_app_serves(site):
    code = "import pathlib; pathlib.Path('compiled').mkdir(); pathlib.Path('compiled/x.js').write_text('new')"
    pids = site.pids()
    options = json.dumps({"greenlight_build_command": [sys.executable, "-c", code]})
    status, output = site.deploy("better", "-e", options)
    assert (status, "The install and build commands made compiled, which no release would move" in output) == (2, True)
    assert (site.pids(), site.revision(), site.records()[-1]["status"]) == (pids, site.shas["good"], "aborted"), output


def test_a_commit_that_the_host_does_not_have_yet_is_rehearsed_with_its_build_and_its_migration(site, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(site.repository, source)
    git(source, "checkout", "--quiet", "better")
    sha = commit(source, {"later.js": "// made after the host was set up\n"})
    options = {"greenlight_repository": str(source), "greenlight_build_command": ["true"]}
    options["greenlight_migrate_command"] = ["true"]
    before = (site.pids(), sorted(site.app.path.rglob("*")))
    status, output = site.deploy("better", "--check", "--diff", "-e", json.dumps(options))
    assert (status, sha in output, "later.js" in output, "rehearse" in output) == (0, True, True, True), output
    assert (site.pids(), sorted(site.app.path.rglob("*"))) == before


def test_a_migration_that_fails_is_found_out_before_the_app_is_stopped(site):
    code = "import os, sqlite3; sqlite3.connect(os.environ['DATABASE_PATH']).execute('DROP TABLE gone')"
    pids = site.pids()
    options = json.dumps({"greenlight_migrate_command": [sys.executable, "-c", code]})
    status, output = site.deploy("better", "-e", options)
    assert (status, "was aborted, nothing was changed: The migration failed on a copy" in output) == (2, True), output
    assert "no such table: gone" in output, output
    assert (site.pids(), site.revision(), site.records()[-1]["status"]) == (pids, site.shas["good"], "aborted")


@pytest.mark.parametrize("revision, why", [("crash-at-load", "What was true before"), ("degraded", "server_starts")])
def test_a_revision_that_does_not_start_or_that_the_matrix_rejects_is_rolled_back(site, revision, why):
    status, output = site.deploy(revision)
    assert (status, f"was rolled back to {site.shas['good']}: " in output, why in output) == (2, True, True), output
    record = site.records()[-1]
    assert (site.revision(), record["status"]) == (site.shas["good"], "rolled_back")
    assert set(record["facts"]["evidence"]) == {"processes", "reason", "log", "kinds"}
    was_at_once = revision == "crash-at-load"
    assert ("rolled_back" in record["facts"], f"It was rolled back to {site.shas['good'][:8]} at once" in output) == (
        was_at_once,
        was_at_once,
    )
    assert record["decision"] == "rollback" and record["facts"]["rejects"] is True
    if was_at_once:
        assert "SETTINGS_FILE is not set" in record["facts"]["evidence"]["reason"]
        (written,) = (site.state / "evidence" / record["id"]).glob("*-sample-app-error.log")
        assert "SETTINGS_FILE is not set" in written.read_text()
        assert "Listening" not in "".join(path.read_text() for path in written.parent.glob("*.log")), "the old one"


def test_a_word_that_the_old_revision_did_not_answer_rolls_the_new_one_back(site, tmp_path):
    """Nobody said what a good answer is: the running revision did. A submodule is moved and rolled back with it."""
    source, library, allowed = tmp_path / "source", tmp_path / "library", ("-c", "protocol.file.allow=always")
    shutil.copytree(site.repository, source)
    git(source, "checkout", "--quiet", "better")
    says = "async function health() {{ return '{}'; }}\nmodule.exports = {{health}};\n"
    git(tmp_path, "init", "--quiet", library)
    commit(library, {"index.js": "1"})
    git(source, *allowed, "submodule", "--quiet", "add", str(library), "lib")
    well = commit(source, {"health.js": says.format("OK")})
    git(source / "lib", "pull", "--quiet", str(library), commit(library, {"index.js": "2"}))
    ill = commit(source, {"health.js": says.format("ERROR: no database")})
    git(site.app.path, "fetch", "--quiet", str(source), "better")
    git(site.app.path, "checkout", "--quiet", well)
    git(site.app.path, *allowed, "submodule", "--quiet", "update", "--init")
    site.pm2("restart", "all")
    wait_for(lambda: site.app.answers() == "OK", "the answer of the plain revision")
    status, output = site.deploy(ill, "-e", f"greenlight_repository={source}")
    said = " ".join(output.split())
    assert (status, site.app.answers()) == (2, "OK"), output
    assert (site.app.path / "lib" / "index.js").read_text() == "1", output
    assert git(site.app.path / "lib", "log", "--all", "--format=%s") == "change\nchange", "the new commit was fetched"
    assert "The health is good with status 200 and a text like" in said, output
    assert f"was rolled back to {well}: " in said, output
    assert "ERROR: no database" in said, output
    assert "say it in greenlight_health_expect or greenlight_health_probe" in said, output


def test_an_aborted_release_ends_neither_the_watch_nor_the_rollback_of_the_one_before_it(site):
    assert site.deploy("better")[0] == 0
    broken = json.dumps({"greenlight_build_command": ["false"]})
    status, output = site.deploy("degraded", "-e", broken)
    assert (status, [each["status"] for each in site.records()]) == (2, ["watching", "aborted"]), output
    status, output = site.play("verify")
    assert (status, "h after the switch" in output, len(site.records()[0]["observations"])) == (0, True, 2), output
    first, pids = site.records()[0]["id"], site.pids()
    status, output = site.play("rollback")
    assert (status, site.pids(), f"set greenlight_rollback_release to {first}" in output) == (0, pids, True), output
    status, output = site.play("rollback", "-e", f"greenlight_rollback_release={first}")
    assert (status, site.revision()) == (0, site.shas["good"]), output
    assert [each["status"] for each in site.records()] == ["rolled_back", "aborted"]


def test_a_wrong_rollback_option_is_refused_before_the_release(site):
    status, output = site.deploy("crash-at-load", "-e", "greenlight_rollback_database=kept")
    assert (status, site.revision(), site.records()) == (2, site.shas["good"], []), output
    assert "greenlight_rollback_database must be auto, restore or keep, and not kept" in output


def test_a_rollback_that_failed_is_finished_by_the_next_one(site):
    assert site.deploy("better")[0] == 0
    restore = ("rollback", "-e", "greenlight_rollback_database=restore")
    with contextlib.closing(sqlite3.connect(site.app.database)) as other:
        other.execute("SELECT count(*) FROM items").fetchone()
        status, output = site.play(*restore)
    again = "fix the cause, and run greenlight.release.rollback again: it continues from here"
    assert (status, "is open in process" in output, again in output) == (2, True, True), output
    assert site.records()[-1]["lock"] is None
    status, output = site.play(*restore)
    assert (status, site.revision(), site.records()[-1]["status"]) == (0, site.shas["good"], "rolled_back"), output


def test_hooks_that_fail_after_the_app_serves_are_a_warning_of_the_rollback(site, tmp_path):
    assert site.deploy("better")[0] == 0
    fails = tmp_path / "fails.yml"
    fails.write_text(json.dumps([{"name": "Tell haproxy", "ansible.builtin.fail": {"msg": "haproxy does not answer"}}]))
    for hook in ("after_rollback", "undrain"):
        hooks = json.dumps({"greenlight_hooks": {hook: [str(fails)]}})
        status, output = site.play("rollback", "-e", hooks)
        assert (status, site.revision()) == (0, site.shas["good"]), output
        assert f"and serves, but The hook {hook} failed in the task Tell haproxy: haproxy does not answer" in output
        assert "A person must look now: do by hand what the task files of this hook had left to do" in output
        assert (site.records()[-1]["status"], site.records()[-1]["lock"]) == ("rolled_back", None)
        assert site.deploy("better", "-e", "greenlight_retry_rejected=true")[0] == 0


def test_late_a_person_is_asked_what_becomes_of_the_rows_and_nothing_is_touched_before_the_answer(site):
    assert site.deploy("better")[0] == 0
    with contextlib.closing(sqlite3.connect(site.app.database)) as opened:
        opened.executescript("CREATE TRIGGER guard AFTER DELETE ON items BEGIN SELECT 1; END")
    site.app.post("written to the new revision")
    pids, late = site.pids(), ("-e", "greenlight_restore_within=0s")
    status, output = site.play("rollback", "--check", *late)
    assert (status, "items: 1 row newer than the backup" in output) == (0, True), output
    status, output = site.play("rollback", *late)
    assert (status, "A person must decide" in output, site.pids()) == (2, True, pids), output
    assert "-e greenlight_rollback_database=restore" in output
    status, output = site.play("rollback", *late, "-e", "greenlight_rollback_database=keep")
    assert (status, site.revision(), site.records()[-1]["status"]) == (0, site.shas["good"], "rolled_back"), output
    assert "The database was kept, as it was asked to keep it." in output


class Asked:
    """What Load asks: the address and the process that answers."""

    def __init__(self, app):
        self.app = app

    def ask(self):
        return {"pid": self.app.get("/health")["revision"]}


def test_a_cluster_in_release_folders_is_reloaded_without_losing_a_request_and_rolls_back(
    tmp_path, pm2, app, repository
):
    """The layout releases and the strategy reload: users notice neither, and the rollback works."""
    root, first = app.path, "20260219T010000Z-" + repository[1]["good"][:8]
    app.path = tmp_path / "site"
    release = app.path / "releases" / first
    release.mkdir(parents=True)
    subprocess.run(f"git -C {root} archive {repository[1]['good']} | tar -x -C {release}", shell=True, check=True)
    (release / "REVISION").write_text(repository[1]["good"] + "\n")
    (app.path / "current").symlink_to(f"releases/{first}")
    current = app.path / "current"
    more = ["-i", "2", "--kill-timeout", "5000"]
    pm2("start", "server.js", "--name", "sample-app", "--cwd", current, *more, env=app.env, where=current)
    wait_for(app.answers, "the first answer of the cluster")
    layout = {"greenlight_layout": "releases", "greenlight_strategy": "reload", "greenlight_built_paths": []}
    site = Site(tmp_path, app, pm2, repository, **layout)
    with Load(Asked(app)) as load:
        status, output = site.deploy("better")
    assert (status, load.failures) == (0, []), output
    assert (load.asked > 100, site.revision()) == (True, repository[1]["better"])
    assert load.pids == {repository[1]["good"], repository[1]["better"]}
    assert "releases/" in os.readlink(app.path / "current")
    with Load(Asked(app)) as load:
        status, output = site.play("rollback", "-e", json.dumps(layout))
    assert (status, load.failures) == (0, []), output
    assert (load.pids, site.revision()) == ({repository[1]["good"], repository[1]["better"]}, repository[1]["good"])
    assert os.readlink(app.path / "current").endswith(first)
    with Load(Asked(app)) as load:
        status, output = site.deploy("crash-at-load")
    assert (status, "at once" in output, load.failures) == (2, True, []), output
    assert (load.pids, site.records()[-1]["status"]) == ({repository[1]["good"]}, "rolled_back"), output


def test_a_batch_that_comes_too_late_stops_the_run_and_rolls_nothing_back(site):
    inventory = json.loads(site.inventory.read_text())
    here = inventory["all"]["hosts"].pop("here")
    frozen = [{"from": "2020-01-01", "to": "2100-01-01", "reason": "stocktaking"}]
    inventory["all"]["hosts"] = {"first": here, "second": {**here, "greenlight_freeze": frozen}}
    site.inventory.write_text(json.dumps(inventory))
    status, output = site.deploy("better", "-e", "greenlight_batches=1")
    assert (status, site.revision()) == (2, site.shas["better"]), output
    assert [record["status"] for record in site.records()] == ["watching"]
    assert "batch 2 of 2 did not begin" in output
    assert "releases are frozen: stocktaking" in output
    assert re.search(rf'"second  2      -         {site.shas["better"][:8]}  -         not touched"', output)
    assert f"greenlight.release.deploy --limit second -e greenlight_revision={site.shas['better']}" in output


def test_what_an_earlier_play_released_is_not_what_this_one_releases(tmp_path, repository):
    """A host that failed in the earlier play must not decide for this one."""
    local = {"ansible_connection": "local", "ansible_python_interpreter": interpreter()}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": {"web1": local, "web2": local}}}))
    plan = {"ansible.builtin.import_role": {"name": "greenlight.release.deploy", "tasks_from": "plan"}}
    common = {"hosts": "all", "gather_facts": False}
    settings = {"greenlight_app_name": "shop", "greenlight_repository": str(repository[0])}
    unused = ("greenlight_app_path", "greenlight_database_path")
    settings.update({"greenlight_health_url": "http://127.0.0.1:1/", **dict.fromkeys(unused, "not read by a plan")})
    fails = {"ansible.builtin.fail": {}, "when": "inventory_hostname == 'web1'"}
    shows = {"ansible.builtin.debug": {"msg": "planned {{ __greenlight_target.sha }}"}}
    plays = [
        {**common, "vars": {**settings, "greenlight_revision": "good"}, "tasks": [plan, fails]},
        {**common, "vars": {**settings, "greenlight_revision": "better"}, "tasks": [plan, shows]},
    ]
    (tmp_path / "plays.json").write_text(json.dumps(plays))
    output = play("-i", "hosts.json", "plays.json", cwd=tmp_path)[1]
    assert f"planned {repository[1]['better']}" in output, output


def test_a_host_that_has_the_revision_already_is_none_to_compare_the_fleet_with(site):
    """Both hosts are the same app, so that the second has the new revision when it is measured with the first."""
    inventory = json.loads(site.inventory.read_text())
    here = inventory["all"]["hosts"].pop("here")
    row = {"metric": "response_time", "scope": "fleet", "relative": True, "target": {"above": 1e6}, "action": "monitor"}
    here["greenlight_decision_matrix_patches"]["all_together"] = row
    inventory["all"]["hosts"] = {"first": here, "second": here}
    site.inventory.write_text(json.dumps(inventory))
    status, output = site.deploy("better", "-e", "greenlight_batches=1", "-e", "greenlight_soak=1s")
    assert (status, site.revision()) == (0, site.shas["better"]), output
    together = output[output.index("TASK [greenlight.release.verify : Together | Show the decision]") :]
    before = re.search(r"before ([0-9.]+) ms", together)
    baseline = f"{round(site.records()[0]['facts']['baseline']['response_time']['value'], 2):g}"
    assert before and before[1] == baseline, output


def test_a_person_who_has_put_the_host_right_closes_the_release_as_it_is(site):
    """However the host looks, only a run that lives keeps a record from being closed, and nothing else is changed."""
    assert site.deploy("better")[0] == 0
    file = next((site.state / "releases").glob("*.json"))
    record = json.loads(file.read_text())
    lock = {"run_id": "dead", "by": "alice", "since": "2026-02-19T02:00:00Z", "until": "2999-02-19T02:00:00Z"}
    half = {**record, "status": "in_progress", "stage": "rolling_back", "lock": lock}
    file.write_text(json.dumps(half))
    site.pm2("stop", "all")
    git(site.app.path, "checkout", "--quiet", site.shas["good"])
    close = ("rollback", "-e", "greenlight_close_as_is=true")
    status, output = site.play(*close)
    assert (status, "is held by alice" in output, site.records()) == (2, True, [half]), output

    file.write_text(json.dumps({**half, "lock": {**lock, "until": "2026-02-19T02:30:00Z"}}))
    before = site.records()
    status, output = site.play(*close, "--check")
    assert (status, "would be closed as it is" in output, site.records()) == (0, True, before), output
    status, output = site.play(*close)
    assert (status, "run greenlight.release.deploy with greenlight_allow_unhealthy_baseline" in output) == (0, True)
    closed = site.records()[0]
    found = closed["facts"]["as_found"]
    assert (closed["status"], closed["lock"], found["revision"]) == ("closed_as_is", None, site.shas["good"]), output
    assert (found["database_problem"], found["backups"], bool(found["process_problem"])) == ("", 2, True)
    assert {process["pm2_env"]["status"] for process in site.pm2.processes()} == {"stopped"}
    status, output = site.play(*close)
    assert (status, "nothing to close" in output, site.records()) == (0, True, [closed]), output
    site.pm2("restart", "all")
    wait_for(site.app.answers, "the app")
    status, output = site.deploy("better")
    assert (status, site.revision()) == (0, site.shas["better"]), output


def test_a_dead_run_is_told_before_what_it_made_ill_and_rejects_nothing_that_nobody_judged(site):
    assert site.deploy("better")[0] == 0
    file = next((site.state / "releases").glob("*.json"))
    lock = {"run_id": "dead", "by": "alice", "since": "2026-02-19T02:00:00Z", "until": "2026-02-19T02:30:00Z"}
    died = {"status": "in_progress", "stage": "switching", "lock": lock, "decision": None, "observations": []}
    file.write_text(json.dumps({**json.loads(file.read_text()), **died}))
    site.pm2("stop", "all")
    status, output = site.deploy("better")
    assert (status, "run greenlight.release.rollback to roll the host back" in output) == (2, True), output
    assert "greenlight_allow_unhealthy_baseline" not in output, output
    status, output = site.play("status")
    assert (status, "the app is down" in output) == (0, True), output
    assert "next: ansible-playbook greenlight.release.rollback" in output, output
    died = site.records()[0]
    alive = {**died, "lock": {**lock, "until": "2999-02-19T02:30:00Z"}}
    file.write_text(json.dumps(alive))
    status, output = site.play("verify")
    assert (status, "is held by alice" in output, "and the app is down" in output) == (2, True, True), output
    file.write_text(json.dumps(died))
    status, output = site.play("verify")
    assert (status, "a run that died had left the app down" in output) == (2, True), output
    assert (site.revision(), site.records()[0]["status"]) == (site.shas["good"], "rolled_back"), output
    status, output = site.deploy("better")
    assert (status, site.revision()) == (0, site.shas["better"]), output


def test_a_release_over_a_host_that_is_down_is_rolled_back_and_the_next_one_mends_it(site):
    site.app.check_out("crash-at-load")
    site.pm2("restart", "all")
    wait_for(lambda: site.pm2.processes()[0]["pm2_env"]["status"] == "errored", "the end of the restarts")
    # What is down is asked in vain, again and again.
    over = ("-e", "greenlight_allow_unhealthy_baseline=true", "-e", "greenlight_health_deadline=5")
    status, output = site.deploy("degraded", *over)
    assert (status, "which did not serve before the release either" in output) == (2, True), output
    closed = site.records()[0]
    assert (closed["status"], closed["lock"]) == ("rolled_back", None)
    assert git(site.app.path, "rev-parse", "HEAD").strip() == site.shas["crash-at-load"]
    status, output = site.deploy("better", *over)
    assert (status, site.revision(), site.records()[-1]["status"]) == (0, site.shas["better"], "watching"), output


def test_a_clock_that_was_set_back_mixes_up_neither_releases_nor_backups(site):
    keep = ("-e", json.dumps({"greenlight_backup_keep": {"last": 1}}))
    assert site.deploy("better", *keep)[0] == 0
    first = site.records()[0]
    ahead = {**first, "id": f"20990101T000000Z-{first['id'][-8:]}"}
    (site.state / "releases" / f"{first['id']}.json").unlink()
    (site.state / "releases" / f"{ahead['id']}.json").write_text(json.dumps(ahead))
    for manifest in (site.state / "backups").glob("*.json"):
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "created": "2099-01-01T00:00:00.000000Z"}))
    site.app.post("after the first release")
    for revision in ("good", "better"):
        status, output = site.deploy(revision, *keep, "-e", "greenlight_retry_rejected=true")
        assert (status, site.revision()) == (0, site.shas[revision]), output
    newest = max(site.records(), key=lambda record: record["sequence"])
    assert (newest["to_revision"], newest["id"] < ahead["id"]) == (site.shas["better"], True)
    assert os.path.exists(newest["facts"]["databases"][0]["backup"])
    status, output = site.play("rollback")
    assert (status, site.revision()) == (0, site.shas["good"]), output


def test_a_backup_outside_of_releases_is_verified_and_keeps_what_a_rollback_needs(site):
    keep = ("-e", json.dumps({"greenlight_backup_keep": {"last": 1}}))
    status, output = site.play("backup", *keep)
    assert (status, len(list((site.state / "backups").glob("*.json")))) == (0, 1), output
    assert site.deploy("better")[0] == 0
    needed = site.records()[0]["facts"]["databases"][0]["backup"]
    for name in ("one", "two"):
        site.app.post(name)
        status, output = site.play("backup", *keep)
        assert (status, os.path.exists(needed)) == (0, True), output
    wholes = [json.loads(file.read_text()) for file in (site.state / "backups").glob("*.json")]
    with contextlib.closing(sqlite3.connect(site.app.database)) as live:
        count = live.execute("SELECT count(*) FROM items").fetchone()[0]
    assert max(wholes, key=lambda each: each["sequence"])["row_counts"]["items"] == count


def test_a_revision_that_crashes_when_it_is_tried_beside_the_old_one_costs_no_user_an_answer(site):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        other = probe.getsockname()[1]
    given = ("-e", json.dumps({"greenlight_trial": True, "greenlight_trial_port": other}))
    row, pids = site.app.post("must survive"), site.pids()
    with Load(Asked(site.app)) as load:
        status, output = site.deploy("crash-at-load", *given)
    assert (status, load.failures, site.pids()) == (2, [], pids), output
    told = "was aborted, nothing was changed: The new revision was tried beside the old one, and it ended with status 1"
    assert told in output and "SETTINGS_FILE is not set" in output, output
    assert [record["status"] for record in site.records()] == ["aborted"]
    status, output = site.deploy("better", *given)
    assert (status, site.revision()) == (0, site.shas["better"]), output
    assert "was not tried" not in output, output
    with contextlib.closing(sqlite3.connect(site.app.database)) as opened:
        assert opened.execute("SELECT name FROM items WHERE id = ?", (row,)).fetchone() == ("must survive",)


def test_after_a_reboot_the_log_is_read_as_the_app_was_saved(site, pm2):
    pm2("save")
    pm2("kill")
    wait_for(lambda: not site.app.answers(), "the end of the app")
    over = ("-e", "greenlight_allow_unhealthy_baseline=true", "-e", "greenlight_health_deadline=5")
    status, output = site.deploy("better", *over)
    assert (status, site.revision()) == (0, site.shas["better"]), output
    logs = [log["path"] for log in site.records()[-1]["facts"]["log_files"]]
    assert logs == [str(pm2.home / "logs" / f"sample-app-{name}.log") for name in ("error", "out")]
