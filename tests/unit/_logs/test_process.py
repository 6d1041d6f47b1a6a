# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import process as logs_process
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import LogError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import process
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error


def instance(pm_id, out, err):
    env = {"pm_out_log_path": out, "pm_err_log_path": err}
    return process.parse_instance({"pm_id": pm_id, "name": "shop", "pm2_env": env})


@pytest.mark.parametrize(
    "file", [{}, {"path": "/x"}, {"path": "x", "stream": "out"}, {"path": "/x", "stream": "in"}, {"stream": "out"}]
)
def test_a_wrong_file_is_refused(file):
    with pytest.raises(LogError, match="files needs mappings of an absolute path and a stream"):
        logs_process.parse_files([file])


def test_a_log_that_is_named_twice_is_read_once():
    given = [{"path": "/x", "stream": "out"}, {"path": "/y", "stream": "err"}, {"path": "/x", "stream": "err"}]
    assert logs_process.parse_files(given) == [("/x", "both"), ("/y", "err")]


def test_the_logs_of_a_process_are_those_of_every_instance_out_and_err_apart():
    instances = [instance(0, "/l/s-out-0.log", "/l/s-error-0.log"), instance(1, "/l/s-out-1.log", "/l/s-error-1.log")]
    assert logs_process.files_of("shop", instances) == [
        ("/l/s-error-0.log", "err"),
        ("/l/s-error-1.log", "err"),
        ("/l/s-out-0.log", "out"),
        ("/l/s-out-1.log", "out"),
    ]


def test_a_star_in_the_name_of_a_log_stands_for_the_date_of_each_day(tmp_path):
    for name in ("app-[1]-2026-11-27.log", "app-[1]-2026-11-28.log", "app-[1]-2026-11-27.log.gz", "app-1.log"):
        (tmp_path / name).touch()
    daily, none = f"{tmp_path}/app-[1]-*.log", f"{tmp_path}/*.err"
    given = [{"path": daily, "stream": "both"}, {"path": none, "stream": "err"}]
    files, notes = find(files=given)
    days = [(f"{tmp_path}/app-[1]-2026-11-{day}.log", "both") for day in (27, 28)]
    # What is not there is named as it was given.
    assert (sorted(files), notes) == (sorted([(none, "err"), *days]), [])
    assert logs_process.expand(logs_process.parse_files(given)) == files


def test_instances_that_share_one_log_have_it_once():
    instances = [instance(0, "/l/s.log", "/l/s.log"), instance(1, "/l/s.log", "/l/s.log")]
    assert logs_process.files_of("shop", instances) == [("/l/s.log", "both")]


@pytest.mark.parametrize("instances", [[], [instance(0, "", "/dev/null")]])
def test_a_process_without_logs_is_reported(instances):
    with pytest.raises(LogError, match="PM2 knows no process called 'shop' that writes logs"):
        logs_process.files_of("shop", instances)


def test_logs_of_instances_that_ran_before_are_marked_too(tmp_path):
    for name in ("s-out-0.log", "s-out-3.log", "s-out-x.log", "s-out-3.log.1"):
        (tmp_path / name).write_text("")
    instances = [instance(0, f"{tmp_path}/s-out-0.log", "/none/s-error-0.log")]
    files = logs_process.files_of("shop", instances)
    assert logs_process.with_other_instances(files, instances) == [
        ("/none/s-error-0.log", "err"),
        (f"{tmp_path}/s-out-0.log", "out"),
        (f"{tmp_path}/s-out-3.log", "out"),
    ]


def test_a_log_without_the_number_of_an_instance_stands_alone(tmp_path):
    (tmp_path / "s-2.log").write_text("")
    instances = [instance(0, f"{tmp_path}/s.log", f"{tmp_path}/s-1.log")]
    files = logs_process.files_of("shop", instances)
    assert logs_process.with_other_instances(files, instances) == files


NAMED = [{"path": "/x", "stream": "out"}]
CURSOR = {"at": 1.0, "files": []}


def find(instances=(), **given):
    def read_instances():
        if isinstance(instances, Exception):
            raise instances
        return instances

    params = {"state": "checked", "files": None, "process": None, "cursor": None, **given}
    return logs_process.find_logs(params, read_instances)


@pytest.mark.parametrize(
    "given, found",
    [
        ({"files": NAMED}, ["/x"]),
        ({"cursor": CURSOR}, []),
        ({"process": "shop"}, ["/l/e", "/l/o"]),
        ({"process": "shop", "files": NAMED, "cursor": CURSOR}, ["/l/e", "/l/o", "/x"]),
    ],
)
def test_the_logs_are_those_that_are_named_and_those_of_the_process(given, found):
    files, notes = find([instance(0, "/l/o", "/l/e")], **given)
    assert ([path for path, _stream in files], notes) == (found, [])


@pytest.mark.parametrize("given", [{}, {"state": "mark", "cursor": CURSOR}])
def test_without_a_log_there_is_nothing_to_read(given):
    with pytest.raises(LogError, match="There is no log to read; give files or process"):
        find(**given)


@pytest.mark.parametrize("state, is_found", [("mark", True), ("checked", False)])
def test_only_a_mark_is_of_instances_that_ran_before_too(tmp_path, state, is_found):
    (tmp_path / "s-out-1.log").write_text("")
    files, _notes = find([instance(0, f"{tmp_path}/s-out-0.log", "")], state=state, process="shop")
    assert ((f"{tmp_path}/s-out-1.log", "out") in files) is is_found


@pytest.mark.parametrize("instances", [PM2Error("PM2 is gone"), []], ids=["no PM2", "no process"])
@pytest.mark.parametrize("state, cursor", [("checked", None), ("mark", None), ("mark", CURSOR)])
def test_a_process_that_pm2_does_not_show_is_refused_where_nothing_else_names_its_logs(instances, state, cursor):
    with pytest.raises(LogError, match="PM2 is gone|PM2 knows no process called 'shop'"):
        find(instances, state=state, process="shop", cursor=cursor)


def test_a_process_that_pm2_does_not_show_is_noted_where_a_cursor_names_its_logs():
    assert find(PM2Error("PM2 is gone"), process="shop", files=NAMED, cursor=CURSOR) == (
        [("/x", "out")],
        ["PM2 is gone"],
    )
