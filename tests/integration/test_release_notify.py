# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading

import pytest
import yaml
from machine import CHECKOUT, play

SECRET = "hunter2hunter2"


class Receiver:
    """A server whose handling of a connection is a function; it notes every request that was sent to it."""

    def __init__(self, answer):
        self.answer, self.got, self.stopped = answer, [], threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.threads = [threading.Thread(target=self.accept)]

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.threads.append(threading.Thread(target=self.serve, args=(connection,)))
                self.threads[-1].start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            head, _end, body = self.read_head(connection).partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(body) < length:
                body += connection.recv(65536)
            self.got.append((head.split()[1].decode(), json.loads(body)))
            self.answer(self, connection)

    @staticmethod
    def read_head(connection):
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        return received

    def close(self):
        self.stopped.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()


def good(_receiver, connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


def hang(receiver, _connection):
    receiver.stopped.wait()


def drip(receiver, connection):
    for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100000:
        connection.sendall(bytes([letter]))
        if receiver.stopped.wait(0.05):
            break


def redirect(_receiver, connection):
    connection.sendall(b"HTTP/1.1 307 Temporary\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")


def refuse(_receiver, connection):
    text = b"invalid_payload"
    connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))


def babble(_receiver, connection):
    connection.sendall(b"\x00\xff no HTTP \r\n\r\n")


@pytest.fixture
def receive():
    """Start receivers, and end them."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            receiver = Receiver(answer)
            stack.callback(receiver.close)
            receiver.threads[0].start()
            return receiver

        yield start


def event(*services, **more):
    return {"services": list(services), "event": "rollback", "app": "shop", "to_revision": "b" * 40, **more}


def slack(url, **more):
    return {"type": "slack", "url": f"{url}/services/{SECRET}", **more}


def test_every_kind_of_service_is_notified(run_module, receive):
    receiver = receive(good)
    services = [
        {"type": "webhook", "url": f"{receiver.url}/ci/{SECRET}", "name": "the CI"},
        slack(receiver.url, events=["rollback"]),
        slack(receiver.url, events=["start"]),
        {"type": "telegram", "token": f"1:{SECRET}", "chat_id": -5, "api_url": receiver.url},
    ]
    result = run_module("release_notify", event(*services, reason="critical_errors: 87 is not equal to 0"))
    assert (result["changed"], result["sent"], result["problem"]) == (True, True, "")
    assert [each["name"] for each in result["services"]] == ["the CI", "services[1] (slack)", "services[3] (telegram)"]
    sent = dict(receiver.got)
    assert sorted(sent) == sorted([f"/ci/{SECRET}", f"/services/{SECRET}", f"/bot1:{SECRET}/sendMessage"])
    assert sent[f"/ci/{SECRET}"]["reason"] == "critical_errors: 87 is not equal to 0"
    assert SECRET not in json.dumps(result)


@pytest.mark.parametrize(
    "answer, problem",
    [
        (hang, "no answer within 0.5 seconds"),
        (drip, "it was not done within 3 seconds"),
        (redirect, "it answered with status 307, and redirects are not followed"),
        (refuse, "it answered with status 403 (invalid_payload)"),
        (babble, "the connection failed or was broken off"),
    ],
)
def test_a_service_that_does_not_take_it_is_reported_and_holds_up_no_other(run_module, receive, answer, problem):
    bad, receiver = receive(answer), receive(good)
    result = run_module("release_notify", event(slack(bad.url), slack(receiver.url), timeout=0.5, deadline=3))
    assert (result["sent"], result["problem"]) == (False, f"services[0] (slack): {problem}")
    assert [each["sent"] for each in result["services"]] == [False, True]
    # A warning is a text, or an object that has it, as the version of ansible-core will have it.
    assert [f"not sent. services[0] (slack): {problem}" in json.dumps(each) for each in result["warnings"]] == [True]
    assert len(receiver.got) == 1
    assert SECRET not in json.dumps(result)


def test_a_service_that_is_down_is_reported(run_module, free_port):
    result = run_module("release_notify", event(slack(f"http://127.0.0.1:{free_port}", name="the team")))
    assert (result["changed"], result["sent"]) == (False, False)
    assert result["problem"] == "the team: connection refused, nothing listens there"
    assert SECRET not in json.dumps(result)


def test_check_mode_sends_nothing_and_says_so(run_module, receive):
    receiver = receive(good)
    result = run_module("release_notify", event(slack(receiver.url)), check=True)
    assert (result["changed"], result["sent"]) == (True, False)
    assert result["problem"] == "services[0] (slack): nothing is sent in check mode"
    assert receiver.got == []


def test_without_a_service_for_the_event_nothing_is_sent(run_module):
    result = run_module("release_notify", event(slack("http://127.0.0.1:1", events=["start"])))
    assert (result["changed"], result["sent"], result["problem"], result["services"]) == (False, False, "", [])


@pytest.mark.parametrize(
    "given, problem",
    [
        ({"services": [{"type": "slack", "ur": f"http://h/{SECRET}"}]}, "services[0] has no key 'ur'"),
        ({"services": [{"type": "slack", "url": f"h/{SECRET}"}]}, "services[0].url must be a whole http or https URL"),
        ({"services": [], "timeout": 0}, "timeout must be a number of seconds above 0, not 0"),
        ({"services": [], "deadline": float("inf")}, "deadline must be a number of seconds above 0, not inf"),
        ({"services": [], "event": "end"}, "value of event must be one of: start"),
    ],
)
def test_wrong_arguments_are_refused_without_a_secret(run_module, given, problem):
    result = run_module("release_notify", {**event(), **given})
    assert problem in result["msg"]
    assert SECRET not in json.dumps(result)


def run_play(folder, variables, tasks, *words):
    """Run tasks on a host, and return all that the run printed."""
    local = {"greenlight_app_name": "shop", "ansible_python_interpreter": sys.executable}
    written = {"hosts": "all", "gather_facts": False, "vars": {**local, **variables}, "tasks": tasks}
    (folder / "play.json").write_text(json.dumps([written]))
    status, output = play("-i", "web1,", *words, "play.json", cwd=folder)
    assert status == 0, output
    return output


CONTEXT = {"release_id": "r1", "from_revision": "a" * 40, "to_revision": "b" * 40}
NOTIFY = {"ansible.builtin.include_role": {"name": "greenlight.release.verify", "tasks_from": "notify"}}


def test_no_secret_is_in_the_most_talkative_output_of_a_play(receive, tmp_path):
    receiver, refusing = receive(good), receive(refuse)
    services = [
        {"type": "webhook", "url": f"{receiver.url}/{SECRET}", "headers": {"Authorization": f"Bearer {SECRET}"}},
        {"type": "telegram", "token": f"1:{SECRET}", "chat_id": 5, "api_url": refusing.url},
        slack("http://127.0.0.1:1"),
        slack("http://hooks.invalid", proxy=f"http://u:{SECRET}@127.0.0.1:1"),
    ]
    variables = {"__greenlight_event": "start", "__greenlight_context": CONTEXT, "__greenlight_event_decision": {}}
    output = run_play(tmp_path, {"greenlight_notifications": services}, [{**NOTIFY, "vars": variables}], "-vvvv")
    assert [path for path, _sent in receiver.got] == [f"/{SECRET}"]
    assert "services[1] (telegram): it answered with status 403" in output
    assert SECRET not in output


@pytest.mark.parametrize(
    "before, decision, events",
    [
        ([], "proceed", []),
        ([], "monitor", ["decision"]),
        ([{"decision": "monitor"}], "monitor", []),
        ([{"decision": "monitor"}], "proceed", ["decision"]),
        ([{"decision": "proceed"}, {"measurements": {}}], "rollback", ["decision"]),
    ],
)
def test_a_watch_notifies_of_a_changed_decision(receive, tmp_path, before, decision, events):
    receiver = receive(good)
    tasks = yaml.safe_load((CHECKOUT / "playbooks" / "tasks" / "watch.yml").read_text(encoding="utf-8"))
    task = next(each for each in tasks if each["name"] == "Watch | Notify of a changed decision")
    variables = {
        "greenlight_notifications": [{"type": "webhook", "url": receiver.url}],
        "greenlight_decision": {"decision": decision, "reason": "x", "findings": []},
        "__greenlight_records": {"watch_open": True, "record": {**CONTEXT, "id": "r1", "observations": before}},
    }
    run_play(tmp_path, variables, [task])
    assert [(sent["event"], sent["decision"]) for _path, sent in receiver.got] == [(each, decision) for each in events]


def test_a_notification_that_cannot_be_sent_fails_no_release(tmp_path):
    variables = {"__greenlight_event": "start", "__greenlight_context": CONTEXT, "__greenlight_event_decision": {}}
    output = run_play(tmp_path, {"greenlight_notifications": [{"type": "fax"}]}, [{**NOTIFY, "vars": variables}])
    assert "The notification of the event start failed: services[0].type must be one of" in output


def test_an_unreachable_controller_removes_no_host_from_the_run(tmp_path):
    (tmp_path / "closed.ini").write_text("localhost ansible_connection=ssh ansible_host=127.0.0.1 ansible_port=1\n")
    variables = {"__greenlight_event": "start", "__greenlight_context": CONTEXT, "__greenlight_event_decision": {}}
    continues = {"ansible.builtin.debug": {"msg": "the release continues"}}
    words = ["-i", "closed.ini", "--limit", "web1"]
    services = [{"type": "slack", "url": "http://127.0.0.1:1"}]
    output = run_play(
        tmp_path, {"greenlight_notifications": services}, [{**NOTIFY, "vars": variables}, continues], *words
    )
    assert "UNREACHABLE" in output
    assert "the release continues" in output
