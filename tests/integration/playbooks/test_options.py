# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong variables are refused by the real playbooks and roles before anything on a host is read or touched."""

from __future__ import annotations

import json
import re

import machine
import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health.parse import PROBE_KEYS

# What each host of the inventory has wrong, and the sentence that refuses it.
WRONG = {
    "word": ({"greenlight_strategy": "rolling"}, "greenlight_strategy must be restart or reload, and not rolling."),
    "list": (
        {"greenlight_built_paths": "node_modules"},
        "greenlight_built_paths must be a list such as [node_modules], and not a text.",
    ),
    "number": (
        {"greenlight_git_timeout": "2m"},
        "greenlight_git_timeout must be a whole number, and not the text '2m'.",
    ),
    "misspelt": (
        {"greenlight_strategey": "reload"},
        "greenlight_strategey is not a variable of greenlight.release; did you mean greenlight_strategy?",
    ),
    "missing": (
        {"greenlight_health_url": "", "greenlight_repository": ""},
        "greenlight_repository and greenlight_health_url are missing; set them, for example in group_vars.",
    ),
    "unreadable": (
        {"greenlight_port": "{{ shop_port }}"},
        "greenlight_port cannot be read: 'shop_port' is undefined.",
    ),
}
# What every task of the collection uses.
SHARED = {
    "number": (
        {"greenlight_watch_seconds": "24h"},
        "greenlight_watch_seconds must be a whole number, and not the text '24h'.",
    ),
    "misspelt": (
        {"greenlight_rollback_relase": "x"},
        "greenlight_rollback_relase is not a variable of greenlight.release; did you mean greenlight_rollback_release?",
    ),
    "row": (
        {"greenlight_decision_matrix_patches": {"restarts": {"due": "soon"}}},
        "greenlight_decision_matrix: Row 9 of the decision matrix, key due: 'soon' is no duration; "
        "write seconds, or numbers with d, h, m or s, such as 1h30m.",
    ),
    "probe": (
        {"greenlight_probes": [{"url": "http://127.0.0.1:1/", "expects": []}]},
        "greenlight_probes: Probe 2 has an unknown key 'expects'; use one of " + ", ".join(PROBE_KEYS) + ".",
    ),
    "missing": ({"greenlight_health_url": ""}, "greenlight_health_url is missing; set it, for example in group_vars."),
}
ROLE = [{"hosts": "all", "gather_facts": False, "roles": ["greenlight.release.deploy"]}]


def good(folder):
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": machine.interpreter(),
        "greenlight_app_name": "shop",
        "greenlight_app_path": str(folder / "app"),
        "greenlight_repository": str(folder / "repository"),
        "greenlight_revision": "main",
        "greenlight_database_path": str(folder / "shop.db"),
        "greenlight_health_url": "http://127.0.0.1:1/health",
        "greenlight_state_path": str(folder / "state"),
        # A user's own variable, which asks for what only a task of the user's own has.
        "greenlight_own_words": "{{ item }}",
    }


def play(folder, playbook, wrong, *words):
    """Run a playbook for one good host and one host for each wrong variable; return its status and output."""
    hosts = {"good": good(folder), **{name: {**good(folder), **more} for name, (more, sentence) in wrong.items()}}
    (folder / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts}}))
    return machine.play("-i", folder / "hosts.json", playbook, *words)


def refusals(output):
    """Return what each host was refused with."""
    found = re.findall(r"^fatal: \[(\w+)\]: FAILED! => (\{.*\})$", output, re.M)
    return {name: json.loads(result)["msg"] for name, result in found}


def tasks_in(output):
    return re.findall(r"^TASK \[(.*?)\]", output, re.M)


def test_a_release_begins_nowhere_when_one_host_has_a_wrong_variable(tmp_path):
    status, output = play(tmp_path, "greenlight.release.deploy", WRONG)
    assert (status != 0, tasks_in(output)) == (True, ["greenlight.release.deploy : Plan | Refuse wrong options"]), (
        output
    )
    assert refusals(output) == {name: sentence for name, (more, sentence) in WRONG.items()}
    assert [path.name for path in tmp_path.iterdir()] == ["hosts.json"]


def test_a_wrong_word_on_the_command_line_is_refused_by_every_host(tmp_path):
    status, output = play(tmp_path, "greenlight.release.deploy", {}, "-e", "greenlight_backup_verify=fast")
    sentence = "greenlight_backup_verify must be full, quick or none, and not fast."
    assert (status != 0, refusals(output), len(tasks_in(output))) == (True, {"good": sentence}, 1), output


def test_a_role_alone_refuses_as_its_playbook_does(tmp_path):
    (tmp_path / "play.json").write_text(json.dumps(ROLE))
    chosen = {name: WRONG[name] for name in ("list", "misspelt")}
    status, output = play(tmp_path, tmp_path / "play.json", chosen)
    assert (status != 0, tasks_in(output)[-1]) == (True, "greenlight.release.deploy : Plan | Refuse wrong options"), (
        output
    )
    assert refusals(output) == {name: sentence for name, (more, sentence) in chosen.items()}
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("name, role", [("rollback", "Settings"), ("verify", "Verify")])
def test_a_rollback_and_a_watch_refuse_the_hosts_with_wrong_variables_alone(tmp_path, name, role):
    """The good host goes on, and has no release that could be judged or rolled back."""
    status, output = play(tmp_path, f"greenlight.release.{name}", SHARED)
    refused = refusals(output)
    assert (status, tasks_in(output)[-1] != f"{role} | Refuse wrong options") == (2, True), output
    assert {host: refused[host] for host in SHARED} == {host: sentence for host, (more, sentence) in SHARED.items()}
    assert not (tmp_path / "state").exists()
    if name == "verify":
        assert f"No release of shop is on record in {tmp_path}/state, so there is nothing to judge" in output
        assert "good" not in refused


def test_a_status_says_in_its_table_what_is_wrong_with_a_host(tmp_path):
    wrong = {
        **SHARED,
        "number": ({"greenlight_app_name": ["shop"]}, "greenlight_app_name must be a text, and not a list."),
    }
    # A status needs nothing of these.
    for name in ("missing", "row", "probe"):
        del wrong[name]
    status, output = play(tmp_path, "greenlight.release.status", wrong)
    assert status == 2, output
    for _more, sentence in wrong.values():
        assert sentence in output
    assert not (tmp_path / "state").exists()
