# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run releases one revision under one name, though a play goes host by host and the branch moves meanwhile."""

from __future__ import annotations

import json

import machine
import pytest
import yaml
from git_commands import git

# The role wants to know them before it plans.
UNUSED = ("greenlight_app_path", "greenlight_database_path")
WHO = ["-c", "user.name=a", "-c", "user.email=a@example.com"]


@pytest.fixture
def repository(tmp_path):
    path = tmp_path / "repository"
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", str(path))
    commit(path)
    return path


def commit(path):
    git(path, "commit", "--quiet", "--allow-empty", "--message", "a")


def plan(tmp_path, repository, hosts, serial):
    """Run the plan of the role over the hosts, with a commit to the branch after each batch."""
    facts = "{{ {'said': [__greenlight_target.sha, __greenlight_release_id, __greenlight_run_id]} }}"
    tasks = [
        {"ansible.builtin.import_role": {"name": "greenlight.release.deploy", "tasks_from": "plan"}},
        {"ansible.builtin.copy": {"content": facts, "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}.json"}},
        {
            "ansible.builtin.command": {"argv": ["git", "-C", str(repository), *WHO, "commit", "--allow-empty", "-mb"]},
            "run_once": True,
        },
    ]
    play = {"hosts": "all", "gather_facts": False, "serial": serial, "connection": "local", "tasks": tasks}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    common = {
        "ansible_python_interpreter": machine.interpreter(),
        "greenlight_app_name": "shop",
        "greenlight_repository": str(repository),
        "greenlight_revision": "main",
        "greenlight_health_url": "http://127.0.0.1:1/",
        **dict.fromkeys(UNUSED, "not read by a plan"),
    }
    inventory = {"all": {"vars": common, "hosts": hosts}}
    (tmp_path / "hosts.json").write_text(json.dumps(inventory))
    return machine.play("-i", tmp_path / "hosts.json", tmp_path / "play.yml")


def test_batches_of_a_play_release_what_the_first_one_resolved(tmp_path, repository):
    hosts = {name: {} for name in ("web1", "web2", "web3")}
    status, output = plan(tmp_path, repository, hosts, 1)
    assert status == 0, output
    said = [json.loads((tmp_path / f"{name}.json").read_text())["said"] for name in hosts]
    assert said[0] == said[1] == said[2]


def test_a_host_with_another_revision_is_named(tmp_path, repository):
    status, output = plan(tmp_path, repository, {"web1": {}, "web2": {"greenlight_revision": "next"}}, 2)
    assert (status, "greenlight_revision is 'main' on web1 and 'next' on web2" in output) == (2, True)
