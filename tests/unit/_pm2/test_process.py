# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import (
    KernelState,
    Readiness,
    Requirements,
)

# One process as getMonitorData of PM2 7.0.4 returns it, shortened; PM2 5 and 6 use the same keys.
LISTED = {
    "pid": 4711,
    "name": "shop",
    "pm_id": 3,
    "monit": {"memory": 1024, "cpu": 0.5},
    "pm2_env": {
        "status": "online",
        "restart_time": 2,
        "pm_uptime": 1771466400000,
        "exec_mode": "fork_mode",
        "pm_exec_path": "/srv/shop/server.js",
        "pm_cwd": "/srv/shop",
        "pm_out_log_path": "/logs/shop-out.log",
        "pm_err_log_path": "/logs/shop-error.log",
        "node_version": "24.0.0",
        "kill_timeout": 5000,
        "env": {"SECRET": "hunter2"},
    },
}


def instance(**changes):
    fields = asdict(process.parse_instance(LISTED))
    return process.Instance(**{**fields, **changes})


def test_an_instance_is_read_without_its_environment():
    parsed = process.parse_instance(LISTED)
    assert (parsed.pm_id, parsed.pid, parsed.status, parsed.restarts, parsed.memory) == (3, 4711, "online", 2, 1024)
    assert "hunter2" not in str(parsed)


def test_a_stopped_instance_has_no_pid():
    assert process.parse_instance({"pm_id": 0, "name": "x"}).pid == 0


@pytest.mark.parametrize(
    "status, started_at, uptime",
    [("online", 1000, 99.0), ("stopped", 1000, 0.0), ("online", 0, 0.0), ("online", 200000, 0.0)],
)
def test_the_uptime_is_reported_for_what_runs(status, started_at, uptime):
    facts = instance(status=status, started_at=started_at, watch=True).as_result(100, "7.0.4")
    assert "watch" not in facts
    assert (facts["uptime"], facts["pm2_version"], facts["name"]) == (uptime, "7.0.4", "shop")


def test_the_logs_of_an_instance_are_those_that_it_writes():
    assert replace(instance(), out_log="/out", err_log="/dev/null").logs == [("/out", "out")]
    assert replace(instance(), out_log="", err_log="/err").logs == [("/err", "err")]


def test_only_instances_of_exactly_that_name_are_read():
    listed = [{**LISTED, "pm_id": 9}, {**LISTED, "name": "shop2"}, LISTED]
    assert [each.pm_id for each in process.instances_of(listed, "shop")] == [3, 9]


RECORDINGS = Path(__file__).parent / "recordings"


@pytest.mark.parametrize("recording", sorted(RECORDINGS.glob("*fork-cluster*")), ids=lambda path: path.stem)
def test_every_version_of_pm2_is_understood(recording):
    listed = json.loads(recording.read_text())
    shop, *workers = process.instances_of(listed, "shop") + process.instances_of(listed, "workers")
    assert (shop.status, shop.exec_mode, shop.kill_timeout, shop.script) == (
        *("online", "fork_mode", 3000),
        "/srv/shop/server.js",
    )
    assert (shop.pid > 0, shop.memory > 0, shop.node_version.count(".")) == (True, True, 2)
    assert [(each.exec_mode, each.status) for each in workers] == [("cluster_mode", "online")] * 2
    assert workers[0].out_log == f"/home/shop/.pm2/logs/workers-out-{workers[0].pm_id}.log"
    deaf, bad = process.instances_of(listed, "deaf")[0], process.instances_of(listed, "bad")[0]
    assert (deaf.status, deaf.pid, bad.status, bad.pid) == ("stopped", 0, "errored", 0)
    assert "hunter2" in recording.read_text()
    assert "hunter2" not in str([shop, *workers])


NOTHING = {
    **dict.fromkeys(("port", "path_under", "revision_path", "revision", "socket")),
    "more_ports": [],
}


def kernel(**changes):
    return KernelState(**{"alive": True, "listening": [3000], "taking": [3000], **changes})


@pytest.mark.parametrize(
    "found, wanted, seen, reason",
    [
        ([instance()], Requirements(), kernel(), ""),
        ([instance()], Requirements(3000, "/srv"), kernel(), ""),
        ([instance()], Requirements(0), kernel(listening=[], taking=[]), ""),
        ([], Requirements(), kernel(), "PM2 knows no process of that name"),
        ([instance(status="errored")], Requirements(), kernel(), "instance 3 is errored after 2 restarts"),
        (
            [instance()],
            Requirements(),
            kernel(alive=False),
            "instance 3 is online in PM2, but its process 4711 does not run",
        ),
        ([instance()], Requirements(3001), kernel(), "instance 3 does not listen on port 3001"),
        ([instance()], Requirements(), kernel(listening=[], taking=[]), "instance 3 listens on no port"),
        (
            [instance()],
            Requirements(),
            kernel(listening=[3000, 3001], taking=[]),
            "instance 3 takes no connection on port 3000, 3001; it does not listen there, or its event loop is blocked",
        ),
        (
            [instance()],
            Requirements(3001),
            kernel(listening=[3000, 3001]),
            "instance 3 takes no connection on port 3001; it does not listen there, or its event loop is blocked",
        ),
        ([instance()], Requirements(3000, more_ports=(3001,)), kernel(), "instance 3 does not listen on port 3001"),
        (
            [instance()],
            Requirements(3000, more_ports=(3001,)),
            kernel(listening=[3000, 3001]),
            "instance 3 takes no connection on port 3001; it does not listen there, or its event loop is blocked",
        ),
        ([instance()], Requirements(0, socket="/run/a"), kernel(listening=[], connects=True), ""),
        (
            [instance()],
            Requirements(0, socket="/run/a"),
            kernel(listening=[]),
            "instance 3 takes no connection on the socket /run/a",
        ),
        (
            [instance()],
            Requirements(path_under="/srv/other"),
            kernel(),
            "instance 3 runs /srv/shop/server.js, which does not lie under /srv/other",
        ),
        (
            [instance()],
            Requirements(),
            kernel(stale="/srv/old"),
            "instance 3 still runs in /srv/old, which /srv/shop/server.js no longer leads to",
        ),
        (
            [instance(), instance(pm_id=4, status="stopped"), instance(pm_id=5, status="errored")],
            Requirements(),
            kernel(),
            "instance 4 is stopped after 2 restarts",
        ),
    ],
)
def test_ready_means_that_every_instance_really_serves(found, wanted, seen, reason):
    readiness = process.judge(found, wanted, {each.pm_id: seen for each in found})
    assert (readiness.ready, readiness.reason) == (not reason, reason)


@pytest.mark.parametrize(
    "found, reason",
    [
        ("abc", ""),
        ("old", "instance 3 runs revision 'old' by REVISION, not 'abc'"),
        (None, "instance 3 works in a folder where REVISION cannot be read"),
    ],
)
def test_the_revision_in_the_working_folder_must_be_the_wanted_one(found, reason):
    wanted = process.requirements_of({**NOTHING, "port": 3000, "revision_path": "REVISION", "revision": "abc\n"})
    assert process.judge([instance()], wanted, {3: kernel(revision=found)}).reason == reason


@pytest.mark.parametrize(
    "path, revision, message",
    [
        ("REVISION", None, "revision_path and revision count only together"),
        (None, "abc", "revision_path and revision count only together"),
        ("/srv/REVISION", "abc", "must be relative to the working folder, not '/srv/REVISION'"),
        ("REVISION", "\n", "revision is empty; give the text"),
        (" ", "abc", "must be relative to the working folder, not ' '"),
    ],
)
def test_a_revision_that_cannot_be_searched_is_refused(path, revision, message):
    with pytest.raises(PM2Error, match=message):
        process.requirements_of({**NOTHING, "revision_path": path, "revision": revision})


@pytest.mark.parametrize(
    "given, wanted",
    [
        ({}, Requirements()),
        ({"port": 80, "more_ports": [443]}, Requirements(80, more_ports=(443,))),
        ({"socket": "/run/a"}, Requirements(0, socket="/run/a")),
        ({"socket": "/run/a", "port": 80}, Requirements(80, socket="/run/a")),
    ],
)
def test_what_is_served_is_read_from_the_options(given, wanted):
    assert process.requirements_of({**NOTHING, **given}) == wanted


def test_a_unix_socket_has_an_absolute_path():
    with pytest.raises(PM2Error, match="socket must be the absolute path of a unix socket, not 'run/a'"):
        process.requirements_of({**NOTHING, "socket": "run/a"})


def test_a_link_in_the_path_is_followed(tmp_path):
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "release")
    script = instance(script=str(tmp_path / "current" / "server.js"))
    wanted = Requirements(path_under=str(tmp_path / "release"))
    assert process.judge([script], wanted, {3: kernel()}).ready


@pytest.mark.parametrize(
    "cwd, works_in, started_at, stale",
    [
        ("current", "releases/1", 0, "releases/1"),
        ("current", "releases/2", 0, ""),
        ("current/src", "releases/2/src", 0, ""),
        ("current", "", 0, "current"),
        ("elsewhere", "elsewhere", 0, "elsewhere"),
        ("current", "releases/1", 2**43, ""),
    ],
)
def test_a_process_that_is_older_than_a_flipped_link_is_found_out(tmp_path, cwd, works_in, started_at, stale):
    (tmp_path / "releases" / "2" / "src").mkdir(parents=True)
    (tmp_path / "current").symlink_to(tmp_path / "releases" / "2")
    path = {place: str(tmp_path / place) if place else "" for place in (cwd, works_in, stale)}
    script = instance(script=str(tmp_path / "current" / "server.js"), cwd=path[cwd], started_at=started_at)
    assert process.stale_folder(script, path[works_in]) == path[stale]


@pytest.mark.parametrize(
    "now, said",
    [
        (instance(), ""),
        (instance(restarts=5), "instance 3 was restarted 3 times"),
        (instance(pid=4712), "instance 3 was restarted 1 times"),
        (instance(pm_id=8, pid=1), ""),
        (instance(pid=0, status="stopped"), ""),
    ],
)
def test_a_restart_shows_in_the_counter_or_the_pid(now, said):
    assert process.restarted_since([instance()], [now]) == said


class Time:
    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


def ready(**changes):
    return Readiness(True, "", [instance(**changes)], [3000])


def waiting(**changes):
    return Readiness(False, "it does not listen", [instance(**changes)], [])


def watch(looks, timeout=3, stable_for=2):
    """Watch a process that shows these looks, one a second, the last for ever."""
    time, queue = Time(), list(looks)

    def look():
        return queue.pop(0) if len(queue) > 1 else queue[0]

    seen, after = process.wait_until_ready(look, timeout, stable_for, lambda: time.now, time.sleep, 1, 1)
    return seen.ready, seen.reason, after


@pytest.mark.parametrize(
    "looks, expected",
    [
        ([ready()], (True, "", 0)),
        ([waiting(), waiting(), ready()], (True, "", 2)),
        ([waiting()], (False, "it does not listen", 3)),
        ([ready(), ready(restarts=3)], (False, "instance 3 was restarted 1 times", 1)),
        ([ready(), ready(pid=1)], (False, "instance 3 was restarted 1 times", 1)),
        ([waiting(status="errored")], (False, "it does not listen", 0)),
        ([waiting(), waiting(status="waiting restart")], (False, "it does not listen", 1)),
        ([waiting(), waiting(status="stopped", pid=0)], (False, "it does not listen", 1)),
        ([waiting(), waiting(status="stopped"), ready(), ready(), ready()], (True, "", 2)),
        ([ready(), waiting(), ready()], (True, "", 2)),
        ([waiting(), ready(), waiting(), ready(), waiting(), ready(), waiting()], (False, "it does not listen", 4)),
        ([waiting(), ready(), ready(), waiting(), ready()], (False, "it does not listen", 3)),
    ],
)
def test_a_process_must_stay_ready_without_a_restart(looks, expected):
    assert watch(looks) == expected


def test_what_waiting_cannot_change_ends_the_wait():
    final = replace(waiting(), final=True)
    assert watch([waiting(), final, ready()]) == (False, "it does not listen", 1)


def test_a_process_that_flaps_until_the_end_is_not_ready():
    assert watch([waiting(), waiting(), waiting(), ready(), waiting(), ready()])[0] is False


def test_a_first_measurement_that_takes_too_long_does_not_shorten_the_watch():
    time, looks = Time(), []

    def look():
        time.sleep(0 if looks else 9)
        looks.append(time.now)
        return ready()

    process.wait_until_ready(look, 3, 2, lambda: time.now, time.sleep, 1, 1)
    assert looks == [9, 10, 11]


def test_one_measurement_is_enough_where_no_time_is_given():
    assert watch([ready()], timeout=0, stable_for=0) == (True, "", 0)


def test_a_ready_process_is_measured_less_often_but_at_the_end():
    time, sleeps = Time(), []

    def sleep(seconds):
        sleeps.append(round(seconds, 2))
        time.sleep(seconds)

    process.wait_until_ready(ready, 3, 1.2, lambda: time.now, sleep)
    assert sleeps[:2] == [0.5, 0.5]
    assert sum(sleeps) == pytest.approx(1.2)


# Where programs lie, and not the code that they run: a Debian package, nvm, Bun, a link of npm, the packages of an app.
PROGRAMS = ("usr/bin/npm", ".nvm/versions/node/v24/bin/yarn", ".bun/bin/bun", "lib/node_modules/tsx/dist/cli.mjs")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_such_as_npm_runs_the_code_of_its_working_folder(tmp_path, program):
    (tmp_path / program).parent.mkdir(parents=True)
    (tmp_path / program).touch()
    for number in ("1", "2"):
        (tmp_path / "releases" / number).mkdir(parents=True)
    current = tmp_path / "current"
    current.symlink_to(tmp_path / "releases" / "2")
    npm = instance(script=str(tmp_path / program), cwd=str(current), started_at=9)
    wanted = Requirements(path_under=str(tmp_path / "releases" / "2"))
    assert process.judge([npm], wanted, {3: kernel()}).reason == ""
    refused = process.judge([npm], Requirements(path_under="/srv/other"), {3: kernel()}).reason
    assert refused == f"instance 3 runs {npm.script} in {current}, which does not lie under /srv/other"
    assert process.stale_folder(npm, str(tmp_path / "releases" / "2")) == ""
    assert process.stale_folder(npm, str(tmp_path / "releases" / "1")) == str(tmp_path / "releases" / "1")


def test_a_program_that_was_updated_since_is_no_sign_of_an_old_release(tmp_path):
    for folder in ("bin", "app", "lib/node_modules/npm/bin"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "bin" / "npm").symlink_to(tmp_path / "lib/node_modules/npm/bin/npm-cli.js")
    npm = instance(script=str(tmp_path / "bin" / "npm"), cwd=str(tmp_path / "app"), started_at=9)
    assert process.stale_folder(npm, str(tmp_path / "app")) == ""


def test_a_script_in_the_folder_bin_of_an_app_is_the_code_itself(tmp_path):
    (tmp_path / "app" / "bin").mkdir(parents=True)
    (tmp_path / "app" / "package.json").touch()
    www = instance(script=str(tmp_path / "app" / "bin" / "www"), cwd="/home/me")
    assert process.judge([www], Requirements(path_under=str(tmp_path / "app")), {3: kernel()}).ready
    assert process.judge([www], Requirements(path_under="/home"), {3: kernel()}).reason == (
        f"instance 3 runs {www.script}, which does not lie under /home"
    )
