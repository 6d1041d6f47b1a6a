# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils import _pm2
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import Readiness, Wanted
from ansible_collections.greenlight.release.plugins.module_utils._pm2_rpc import PM2Error, ProtocolError

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
    fields = dict(_pm2.parse_instance(LISTED).as_result())
    return _pm2.Instance(**{**fields, **changes})


class FakeClient:
    def __init__(self, answer):
        self.answer = answer

    def call(self, method, *_arguments):
        assert method == "getMonitorData"
        return self.answer


def test_an_instance_is_read_without_its_environment():
    parsed = _pm2.parse_instance(LISTED)
    assert (parsed.pm_id, parsed.pid, parsed.status, parsed.restarts, parsed.memory) == (3, 4711, "online", 2, 1024)
    assert "hunter2" not in str(parsed)


def test_a_stopped_instance_has_no_pid():
    assert _pm2.parse_instance({"pm_id": 0, "name": "x"}).pid == 0


@pytest.mark.parametrize(
    "before", ["", "[PM2] Spawning PM2 daemon\n", "[33m>>> In-memory PM2 is out-of-date\n", "[x\n"]
)
def test_the_list_is_found_behind_whatever_pm2_prints_before_it(before):
    assert _pm2.parse_jlist(f"{before}{json.dumps([LISTED])}\n") == [_pm2.parse_instance(LISTED)]


def test_output_without_a_list_is_an_error():
    with pytest.raises(ProtocolError, match="pm2 jlist printed no list"):
        _pm2.parse_jlist("Error: EACCES\n")


def test_only_instances_of_exactly_that_name_are_read():
    listed = [{**LISTED, "pm_id": 9}, {**LISTED, "name": "shop2"}, LISTED]
    assert [each.pm_id for each in _pm2.read_instances(FakeClient(listed), "shop")] == [3, 9]


def test_an_answer_that_is_no_list_is_an_error():
    with pytest.raises(ProtocolError, match="no list of processes"):
        _pm2.read_instances(FakeClient(None), "shop")


@pytest.mark.parametrize(
    "found, wanted, alive, ports, reason",
    [
        ([instance()], Wanted(), True, [3000], ""),
        ([instance()], Wanted(3000, "/srv"), True, [3000], ""),
        ([], Wanted(), True, [], "PM2 knows no process of that name"),
        ([instance(status="errored")], Wanted(), True, [3000], "instance 3 is errored after 2 restarts"),
        ([instance()], Wanted(), False, [], "instance 3 is online in PM2, but its process 4711 does not run"),
        ([instance(pid=0)], Wanted(), True, [], "instance 3 is online in PM2, but its process 0 does not run"),
        ([instance()], Wanted(3001), True, [3000], "instance 3 does not listen on port 3001"),
        ([instance()], Wanted(), True, [], "instance 3 listens on no port"),
        (
            [instance()],
            Wanted(path_under="/srv/other"),
            True,
            [3000],
            "instance 3 runs /srv/shop/server.js, which does not lie under /srv/other",
        ),
        (
            [instance(), instance(pm_id=4, status="stopped"), instance(pm_id=5, status="errored")],
            Wanted(),
            True,
            [3000],
            "instance 4 is stopped after 2 restarts",
        ),
    ],
)
def test_ready_means_that_every_instance_really_serves(found, wanted, alive, ports, reason):
    readiness = _pm2.judge(found, wanted, lambda _pid: alive, lambda _instance: ports)
    assert (readiness.ready, readiness.reason) == (not reason, reason)


def test_a_link_in_the_path_is_followed(tmp_path):
    (tmp_path / "release").mkdir()
    (tmp_path / "current").symlink_to(tmp_path / "release")
    script = instance(script=str(tmp_path / "current" / "server.js"))
    wanted = Wanted(path_under=str(tmp_path / "release"))
    assert _pm2.judge([script], wanted, lambda _pid: True, lambda _instance: [1]).ready


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
    assert _pm2.restarted_since([instance()], [now]) == said


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

    seen, after = _pm2.wait_until_ready(look, timeout, stable_for, lambda: time.now, time.sleep, interval=1)
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
        ([ready(), waiting(), ready()], (True, "", 2)),
        ([waiting(), ready(), waiting(), ready(), waiting(), ready(), waiting()], (False, "it does not listen", 4)),
        ([waiting(), ready(), ready(), waiting(), ready()], (False, "it does not listen", 3)),
    ],
)
def test_a_process_must_stay_ready_without_a_restart(looks, expected):
    assert watch(looks) == expected


def test_a_process_that_flaps_until_the_end_is_not_ready():
    assert watch([waiting(), waiting(), waiting(), ready(), waiting(), ready()])[0] is False


def test_one_look_is_enough_where_no_time_is_given():
    assert watch([ready()], timeout=0, stable_for=0) == (True, "", 0)


def test_the_last_lines_of_a_log_are_safe_to_print(tmp_path):
    log = tmp_path / "error.log"
    log.write_bytes(b"one\n\n    at frame (x.js:1)\n\x1b[31mtwo\x07\n" + b"x" * 400 + b"\n")
    assert _pm2.last_lines(str(log), count=2) == ["[31mtwo", "x" * 300]


def test_a_log_that_cannot_be_read_has_no_lines():
    assert _pm2.last_lines("/nonexistent/log") == []


def test_the_environment_of_the_caller_does_not_reach_the_app():
    given = {"PATH": "/bin", "HOME": "/home/shop", "AWS_SECRET": "hunter2"}
    assert _pm2.clean_environment(given, Path("/p"), {"PORT": "1"}) == {
        "PATH": "/bin",
        "HOME": "/home/shop",
        "PORT": "1",
        "PM2_HOME": "/p",
    }


@pytest.mark.parametrize(
    "options, command",
    [
        ({"config": "/e.config.js"}, ["pm2", "start", "/e.config.js", "--only", "shop"]),
        ({"script": "/s.js"}, ["pm2", "start", "/s.js", "--name", "shop"]),
        (
            {"script": "/s.js", "cwd": "/srv", "instances": 2, "args": ["--x", "1"]},
            ["pm2", "start", "/s.js", "--name", "shop", "--cwd", "/srv", "--instances", "2", "--", "--x", "1"],
        ),
    ],
)
def test_the_command_that_starts_a_process(options, command):
    assert _pm2.start_command("pm2", "shop", options) == command


def test_a_process_that_nobody_described_cannot_be_started():
    with pytest.raises(PM2Error, match="no process called 'shop'; give config or script"):
        _pm2.start_command("pm2", "shop", {})
