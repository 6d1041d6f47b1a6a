# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import http.server
import os
import sqlite3
import threading
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._code import git as code_git
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._survey import look
from ansible_collections.greenlight.release.plugins.module_utils._survey.look import SurveyError
from git_commands import git
from git_repositories import Repositories
from pm2_fakes import instance

ME = os.getpid()


@pytest.fixture
def ports(monkeypatch):
    """Return the ports by pid, which a test may change."""
    found = {}
    monkeypatch.setattr(proc, "with_descendants", list)
    monkeypatch.setattr(proc, "listening_ports", lambda pids: [port for pid in pids for port in found.get(pid, [])])
    return found


def named(name, pid=0, **more):
    made = instance(pid=pid, status="online" if pid else "stopped", **more)
    return type(made)(**{**made.__dict__, "name": name})


def test_the_only_process_that_serves_is_the_app(ports):
    ports[5] = [3000]
    web, worker = named("web", 5), named("worker", 6)
    assert look.choose([web, worker], "") == [web]
    assert look.choose([web, worker], "worker") == [worker]


@pytest.mark.parametrize(
    "wanted, serving, said",
    [
        (
            "",
            {5: [1], 6: [2]},
            "2 processes of PM2 serve a port; set greenlight_process_name to one of idle, web, worker$",
        ),
        ("", {}, "0 processes of PM2 serve a port; set"),
        ("gone", {5: [1]}, "PM2 knows no process gone; set greenlight_process_name to one of idle, web, worker$"),
        ("idle", {5: [1]}, "idle does not run, so nothing can be seen of it"),
    ],
)
def test_where_it_is_not_clear_which_app_is_meant_the_names_are_listed(ports, wanted, serving, said):
    ports.update(serving)
    with pytest.raises(SurveyError, match=said):
        look.choose([named("web", 5), named("worker", 6), named("idle")], wanted)
    with pytest.raises(SurveyError, match="one of those that it should run$"):
        look.choose([], wanted)


def test_the_databases_that_are_open_are_found(tmp_path):
    database, text, pipe = tmp_path / "app.db", tmp_path / "notes", tmp_path / "pipe"
    with sqlite3.connect(str(database)) as connection:
        connection.execute("CREATE TABLE t (x)")
    text.write_text("no database")
    os.mkfifo(str(pipe))
    waits = os.open(str(pipe), os.O_RDWR)
    try:
        with database.open("rb"), text.open():
            found = look.databases_of([instance(pid=ME)])
    finally:
        os.close(waits)
    assert str(database) in found and str(text) not in found and str(pipe) not in found


def test_what_cannot_be_read_is_no_database(tmp_path, monkeypatch):
    def refuse(*_given):
        raise PermissionError

    monkeypatch.setattr(Path, "open", refuse)
    (tmp_path / "x").touch()
    assert look._is_database(tmp_path / "x") is False


def test_the_checkout_is_that_of_the_script_or_of_the_working_folder(tmp_path):
    repositories = Repositories(tmp_path)
    path = repositories.path
    (path / "backend").mkdir()

    def make_run(folder):
        return code_git.make_run(repositories.environment, 30, str(folder))

    branch = git(path, "rev-parse", "--abbrev-ref", "HEAD").strip()
    seen = {"path": str(path), "repository": git(path, "remote", "get-url", "origin").strip(), "deploy_key": "/k/id"}
    git(path, "config", "core.sshCommand", "ssh -i /k/id -F none")
    found = look.checkout_of(make_run, instance(script=str(path / "backend" / "server.js")))
    assert found == {**seen, "subfolder": "backend", "branch": "" if branch == "HEAD" else branch}
    git(path, "checkout", "--quiet", "-B", "live")
    found = look.checkout_of(make_run, instance(script="/nonexistent/npm", cwd=str(path)))
    assert found == {**seen, "subfolder": "", "branch": "live"}
    git(path, "checkout", "--quiet", "--detach")
    assert look.checkout_of(make_run, instance(script=str(path / "server.js")))["branch"] == ""
    with pytest.raises(SurveyError, match="shop runs /bin/app, which lies in no git checkout"):
        look.checkout_of(make_run, instance(script="/bin/app"))


def test_a_place_that_cannot_be_written_to_is_not_used(tmp_path, monkeypatch):
    assert look.state_path_of(tmp_path / "greenlight" / "shop", tmp_path) == ""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert look.state_path_of(tmp_path / "greenlight" / "shop", Path("/home/me")) == "/home/me/.greenlight/shop"


@pytest.mark.parametrize(
    "body, expect",
    [
        ('{"status": "ok"}', [{"path": "status", "equals": "ok"}]),
        ('{"status": "UP"}', [{"path": "status", "equals": "UP"}]),
        ('{"status": 7, "ok": true, "success": true}', [{"path": "ok", "equals": True}]),
        ('{"healthy": true}', [{"path": "healthy", "equals": True}]),
        ('{"ok": "yes"}', []),
        ("[1]", []),
        ("OK", []),
    ],
)
def test_what_a_healthy_answer_says_is_expected_of_the_next_one(body, expect):
    assert look.expectations(body) == expect


def test_the_address_that_says_how_the_app_is_goes_before_one_that_only_answers():
    answers = {"u/health": "<html>", "u/api/health": '{"ok": true}', "u/": "hello"}
    assert look.health_of("u", answers.get) == ("u/api/health", [{"path": "ok", "equals": True}])
    assert look.health_of("u", {"u/": "hello"}.get) == ("u/", [])
    assert look.health_of("u", {}.get) == ("", [])


def test_the_statistics_of_the_cache_are_found_by_their_hit_rate():
    answers = {"u/cache/stats": '{"data": {"hits": 3}}', "u/stats": '{"data": {"hitRate": "95%"}}'}
    assert look.cache_stats_of("u", answers.get) == ("u/stats", "data.hitRate")
    assert look.cache_stats_of("u", {"u/stats": '{"data": 1}'}.get) == ("", "")


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204 if self.path == "/empty" else 200 if self.path == "/" else 404)
        self.end_headers()
        if self.path == "/":
            self.wfile.write(b"fine")

    def log_message(self, *_given):
        pass


def test_only_an_answer_with_status_200_counts_and_no_proxy_is_asked(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert [look.ask(f"{base}{path}") for path in ("/", "/empty", "/gone")] == ["fine", None, None]
        server.shutdown()
    assert look.ask(f"{base}/") is None
