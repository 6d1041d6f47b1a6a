# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._release import notify

OLD, NEW = "a" * 40, "b" * 40
SLACK = {"type": "slack", "url": "https://hooks.slack.com/services/T0/B0/hunter2"}
TELEGRAM = {"type": "telegram", "token": "123:hunter2-X_y", "chat_id": -100}
WEBHOOK = {"type": "webhook", "url": "https://ci.example.com/hook?key=hunter2"}


def parse(*given):
    return notify.parse_services(list(given), "services")


def missed(metric="error_rate", **more):
    return {"metric": metric, "value": 7.11, "target": "below 1", "outcome": "miss", "action": "monitor", **more}


def event(kind="decision", **more):
    return notify.Event(kind=kind, app="shop", **{"to_revision": NEW, "from_revision": OLD, **more})


def message(given, reported):
    return json.loads(notify.write_message(parse(given)[0], reported))


@pytest.mark.parametrize(
    "given, url, label",
    [
        (SLACK, SLACK["url"], "services[0] (slack)"),
        ({**WEBHOOK, "name": "the CI"}, WEBHOOK["url"], "the CI"),
        (TELEGRAM, "https://api.telegram.org/bot123:hunter2-X_y/sendMessage", "services[0] (telegram)"),
        (
            {**TELEGRAM, "api_url": "http://127.0.0.1:81/x/"},
            "http://127.0.0.1:81/x/bot123:hunter2-X_y/sendMessage",
            "services[0] (telegram)",
        ),
    ],
)
def test_a_service_has_an_address_and_a_name(given, url, label):
    service = parse(given)[0]
    assert (service.url, service.label, service.events) == (url, label, notify.EVENTS)


def test_what_else_a_service_may_have_is_kept_and_its_secrets_are_not_in_its_text():
    more = {"headers": {"X-Key": "hunter2"}, "proxy": "http://u:hunter2@proxy:3128", "ca_path": "/etc/ca.pem"}
    service = parse({**WEBHOOK, **more, "events": ["success"]})[0]
    assert (service.headers, service.proxy, service.ca_path) == tuple(more.values())
    assert service.events == ("success",)
    assert "hunter2" not in repr(service)
    assert parse({**TELEGRAM, "chat_id": "@releases"})[0].chat_id == "@releases"


@pytest.mark.parametrize(
    "given, problem",
    [
        ("https://hunter2", "services[0] must be a mapping"),
        ({"type": "hunter2"}, "services[0].type must be one of webhook, slack, telegram"),
        ({"type": "webhook"}, "services[0].url is missing"),
        ({**SLACK, "url": ""}, "services[0].url is missing"),
        ({**TELEGRAM, "token": None}, "services[0].token is missing"),
        ({**SLACK, "tokn": "hunter2"}, "services[0] has no key 'tokn'; slack takes url, type"),
        ({**SLACK, "https://hunter2": None}, "services[0] has a key that is no name"),
        ({**SLACK, 1: None}, "services[0] has a key that is no name"),
        ({**SLACK, "headers": {}}, "no key 'headers'"),
        ({**SLACK, "url": "hooks.slack.com/hunter2"}, "services[0].url must be a whole http or https URL"),
        ({**SLACK, "url": "https://h:hunter2/"}, "services[0].url must be a whole http or https URL"),
        ({**SLACK, "url": "https://h/ hunter2"}, "services[0].url must be a whole http or https URL"),
        ({**SLACK, "url": "https://h/\nhunter2"}, "services[0].url must be a text of one line"),
        ({**SLACK, "url": ["hunter2"]}, "services[0].url must be a text of one line"),
        ({**SLACK, "proxy": "hunter2:3128"}, "services[0].proxy must be a whole http"),
        ({**SLACK, "name": 1}, "services[0].name must be a text of one line"),
        ({**SLACK, "ca_path": 1}, "services[0].ca_path must be a text of one line"),
        ({**TELEGRAM, "token": "123:x/../hunter2"}, "services[0].token must look like 123456:ABC-def"),
        ({**TELEGRAM, "api_url": "hunter2"}, "services[0].api_url must be a whole http"),
        ({**TELEGRAM, "chat_id": "hunter2"}, "services[0].chat_id must be a number"),
        ({**TELEGRAM, "chat_id": True}, "services[0].chat_id must be a number"),
        ({**SLACK, "events": ["hunter2"]}, "services[0].events must be a list of some of start, success"),
        ({**SLACK, "events": "start"}, "services[0].events must be a list of some of start, success"),
        ({**SLACK, "events": 1}, "services[0].events must be a list of some of start, success"),
        ({**WEBHOOK, "headers": "hunter2"}, "services[0].headers must be a mapping"),
        ({**WEBHOOK, "headers": {"X": "hunter2\r\nY: 1"}}, "services[0].headers must have plain names"),
        ({**WEBHOOK, "headers": {"X": 1}}, "services[0].headers must have plain names"),
        ({**WEBHOOK, "headers": {"X": "hunter2\u00e9"}}, "services[0].headers must have plain names"),
        ({**WEBHOOK, "headers": {"X Y": "hunter2"}}, "services[0].headers must have plain names"),
    ],
)
def test_a_wrong_service_is_refused_by_its_place_and_without_its_values(given, problem):
    with pytest.raises(notify.NotifyError) as refused:
        parse(given)
    assert problem in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("given", ["https://hunter2", {"type": "slack"}, None])
def test_what_is_no_list_is_refused(given):
    with pytest.raises(notify.NotifyError, match="^greenlight_notifications must be a list of mappings"):
        notify.parse_services(given, "greenlight_notifications")


def test_only_what_can_be_a_secret_is_hidden():
    values = {"slack", "failed_rollback", "the team", "12345", "https://hooks.slack.com/x", "123:hunter2-X_y"}
    services = [{"name": "the team"}, {"name": ["x"]}, {}]
    assert notify.only_secrets(values, services) == {"https://hooks.slack.com/x", "123:hunter2-X_y"}


@pytest.mark.parametrize(
    "kind, title",
    [
        ("start", "shop on web1: the release of bbbbbbbb begins"),
        ("success", "shop on web1: bbbbbbbb is released"),
        ("decision", "shop on web1: the decision about bbbbbbbb is monitor"),
        ("rollback", "shop on web1: bbbbbbbb was rolled back to aaaaaaaa"),
        ("failed_rollback", "shop on web1: the rollback from bbbbbbbb to aaaaaaaa failed, a person must repair it"),
        ("failed_copy", "shop on web1: the backup was not copied off the host"),
        ("failed_drill", "shop on web1: the newest backup could not be restored in a drill, take a new one"),
    ],
)
def test_every_event_has_its_words(kind, title):
    reported = message(SLACK, event(kind, host="web1", decision="monitor"))
    assert reported["text"].splitlines()[0] == title


def test_a_webhook_gets_every_fact_as_json():
    findings = (missed(reason="it is"), {"metric": "server_starts", "action": "proceed"})
    reported = event(host="web1", release_id="r1", decision="monitor", reason="error_rate: it is", findings=findings)
    assert message(WEBHOOK, reported) == {
        "format": 1,
        "event": "decision",
        "app": "shop",
        "host": "web1",
        "release_id": "r1",
        "from_revision": OLD,
        "to_revision": NEW,
        "decision": "monitor",
        "reason": "error_rate: it is",
        "findings": [{**missed(), "baseline": None, "reason": "it is"}],
        "text": "shop on web1: the decision about bbbbbbbb is monitor\nrelease r1, from aaaaaaaa to bbbbbbbb\n"
        "decision: monitor\nreason: error_rate: it is\nerror_rate: 7.11, below 1 (monitor)",
    }


@pytest.mark.parametrize(
    "value, sent", [(float("inf"), "inf"), ([1], "[1]"), (True, True), ("password=hunter2", "password=***")]
)
def test_a_value_is_one_that_json_has(value, sent):
    assert message(WEBHOOK, event(findings=(missed(value=value),)))["findings"][0]["value"] == sent


def test_slack_gets_a_text_without_mentions_links_and_format():
    reported = message(SLACK, event("start", reason="<!channel> *x* & <https://x|y>"))
    assert reported["text"].splitlines()[-1] == "reason: &lt;!channel&gt; *x* &amp; &lt;https://x|y&gt;"
    assert reported["mrkdwn"] is False


def test_telegram_gets_html_that_the_texts_cannot_break():
    reported = message(TELEGRAM, event("start", host="<b>", reason="</b> & <a href='x'>"))
    assert reported["text"] == (
        "<b>shop on &lt;b&gt;: the release of bbbbbbbb begins</b>\nreason: &lt;/b&gt; &amp; &lt;a href='x'&gt;"
    )
    assert (reported["chat_id"], reported["parse_mode"]) == ("-100", "HTML")


def test_a_secret_in_a_reason_is_not_sent():
    assert "hunter2" not in json.dumps(message(WEBHOOK, event(reason="GET https://u:hunter2@h/ failed")))


def test_the_longest_message_is_one_that_telegram_takes():
    long = "\U0001f600" * 5000
    reported = event(
        host=long, release_id=long, decision=long, reason=long, findings=tuple(missed(metric=long) for _n in range(30))
    )
    # Telegram counts units of UTF-16.
    assert len(message(TELEGRAM, reported)["text"].encode("utf-16-le")) / 2 <= 4096
    assert len(message(WEBHOOK, reported)["findings"]) == 20
