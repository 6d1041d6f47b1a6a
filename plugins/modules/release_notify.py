#!/usr/bin/python
# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_notify
short_description: Notify other services of the result of a release
version_added: 0.1.0
description:
  - Sends an event of a release to webhooks, Slack and Telegram, to all of them at the same time.
  - A service that is down, hangs, drips, redirects or refuses is a warning and never a failure, and takes no longer than O(deadline).
  - The roles run it on the controller, with O(services) from C(greenlight_notifications).
  - Neither a proxy of the environment nor a C(.netrc) is used, and no redirect is followed. A service that is behind a proxy has a C(proxy) of its own.
author:
  - The greenlight.release maintainers (@greenlight)
extends_documentation_fragment:
  - greenlight.release.attributes
  - greenlight.release.attributes.actiongroup_release
attributes:
  check_mode:
    support: full
    details: In check mode nothing is sent, and RV(problem) says so.
  diff_mode:
    support: none
  idempotent:
    support: none
    details: Every call sends the event again.
  platform:
    platforms: linux
  action_group: {}
requirements:
  - requests >= 2.28 (Python library) where the module runs. Without it nothing is sent, which is a warning too.
options:
  services:
    description:
      - The receivers. Nothing of them is ever shown, since a URL may be as secret as a token.
      - Each is a mapping with a C(type), V(webhook), V(slack) or V(telegram). C(events) are the values of O(event) that it receives, all by default.
        C(name) is what it is called in messages, C(proxy) the URL of a proxy, C(ca_path) a file of the authorities that may have signed its certificate.
      - A V(webhook) has a C(url), to which JSON is sent with C(POST), and may have C(headers), such as an authorization.
      - A V(slack) has the C(url) of an incoming webhook.
      - A V(telegram) has the C(token) of a bot and a C(chat_id). C(api_url) is another server than V(https://api.telegram.org).
    type: list
    elements: dict
    required: true
  event:
    description:
      - What happened. V(decision) is a judgement that is another one than before, V(failed_rollback) a rollback after which the app is not well.
      - V(failed_copy) is a backup that was not copied off the host, V(failed_drill) one that could not be restored in a drill.
    type: str
    required: true
    choices: [start, success, decision, rollback, failed_rollback, failed_copy, failed_drill]
  app:
    description: Name of the app.
    type: str
    required: true
  host:
    description: Name of the host that the release is for.
    type: str
    default: ""
  release_id:
    description: Id of the release.
    type: str
    default: ""
  from_revision:
    description: Revision that ran before.
    type: str
    default: ""
  to_revision:
    description: Revision that was to be released.
    type: str
    default: ""
  decision:
    description: The decision, if there is one.
    type: str
    default: ""
  reason:
    description: The reason in words. What looks like a secret is removed, and only the first 600 characters are sent.
    type: str
    default: ""
  findings:
    description: The findings of the decision, as P(greenlight.release.decide#filter) returns them. Those that did not pass are sent, up to 20.
    type: list
    elements: dict
    default: []
  timeout:
    description: Seconds that a service may take to accept the connection, and that it may be silent.
    type: float
    default: 5
  deadline:
    description: Seconds that all services together may take.
    type: float
    default: 10
seealso:
  - module: greenlight.release.release_record
"""

EXAMPLES = r"""
- name: Notify the team that the shop is released
  greenlight.release.release_notify:
    event: success
    app: shop
    host: "{{ inventory_hostname }}"
    to_revision: 0639294cbb1f6a0a4a3b5d1a0d2c4e6f8a0b1c2d
    services:
      - type: slack
        url: "{{ vault_slack_webhook }}"
        events: [success, rollback, failed_rollback]
      - type: telegram
        token: "{{ vault_telegram_token }}"
        chat_id: "-1001234567890"
  delegate_to: localhost
  become: false
"""

RETURN = r"""
sent:
  description: Whether every service that wants the event got it. False when none wants it, and in check mode.
  returned: always
  type: bool
  sample: false
problem:
  description: Who did not get it, and why. Empty when all did.
  returned: always
  type: str
  sample: "services[0] (slack): no answer within 5 seconds"
services:
  description: The services that want the event.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name, or its place in the list and its type.
      type: str
      sample: services[0] (slack)
    type:
      description: Its type.
      type: str
      sample: slack
    sent:
      description: Whether it got the event.
      type: bool
      sample: false
    problem:
      description: Why it did not, empty when it did.
      type: str
      sample: no answer within 5 seconds
"""

import math
from typing import Any, Dict, List, Mapping, Sequence, Tuple

HAS_REQUESTS = True
try:
    import requests
except ImportError:
    HAS_REQUESTS = False

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.greenlight.release.plugins.module_utils._host import files, parallel
from ansible_collections.greenlight.release.plugins.module_utils._release import notify, send

ARGUMENTS = {
    # The whole of it is hidden, so that a secret under a misspelt name is hidden too.
    "services": {"type": "list", "elements": "dict", "required": True, "no_log": True},
    "event": {"type": "str", "required": True, "choices": list(notify.EVENTS)},
    "app": {"type": "str", "required": True},
    "host": {"type": "str", "default": ""},
    "release_id": {"type": "str", "default": ""},
    "from_revision": {"type": "str", "default": ""},
    "to_revision": {"type": "str", "default": ""},
    "decision": {"type": "str", "default": ""},
    "reason": {"type": "str", "default": ""},
    "findings": {"type": "list", "elements": "dict", "default": []},
    "timeout": {"type": "float", "default": 5},
    "deadline": {"type": "float", "default": 10},
}


def parse_arguments(params: Mapping[str, Any]) -> Tuple[List[notify.Service], notify.Event]:
    """Return the services that want the event, and the event. Raises NotifyError."""
    for name in ("timeout", "deadline"):
        if not math.isfinite(params[name]) or params[name] <= 0:
            raise notify.NotifyError(f"{name} must be a number of seconds above 0, not {params[name]}")
    services = notify.parse_services(params["services"], "services")
    texts = ("app", "host", "release_id", "from_revision", "to_revision", "decision", "reason")
    event = notify.Event(
        kind=params["event"], findings=tuple(params["findings"]), **{name: params[name] for name in texts}
    )
    return [service for service in services if event.kind in service.events], event


def notify_all(module: AnsibleModule, services: Sequence[notify.Service], event: notify.Event) -> List[Dict[str, Any]]:
    """Return what became of each service."""
    problem = "nothing is sent in check mode" if module.check_mode else ""
    if not HAS_REQUESTS:
        problem = missing_required_lib("requests")
    if not problem:
        timeout, deadline = module.params["timeout"], module.params["deadline"]
        return send.send_all(requests, services, event, timeout, deadline, parallel.run_all)
    return [{"name": each.label, "type": each.kind, "sent": False, "problem": problem} for each in services]


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    module.no_log_values = notify.only_secrets(module.no_log_values, module.params["services"])
    try:
        services, event = parse_arguments(module.params)
        notified = notify_all(module, services, event)
    except (notify.NotifyError, OSError) as error:
        module.fail_json(msg=files.told(error))
    problems = [f"{each['name']}: {each['problem']}" for each in notified if each["problem"]]
    for problem in [] if module.check_mode else problems:
        module.warn(f"A notification was not sent. {problem}")
    module.exit_json(
        changed=bool(notified) if module.check_mode else any(each["sent"] for each in notified),
        sent=bool(notified) and not problems,
        problem="; ".join(problems),
        services=notified,
    )


if __name__ == "__main__":
    main()
