# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.greenlight.release.plugins.module_utils._fleet.fleet import STATES, Host, Stop
from ansible_collections.greenlight.release.plugins.module_utils._fleet.table import describe, next_commands, render

OLD, NEW = "5f0c1c2a" + "5" * 32, "0639294c" + "0" * 32
ID = "20260219T020000Z-0639294c"
FAILED, LOST, LATE = (Stop(kind, 2, "why") for kind in ("failed", "lost", "hours"))


def test_the_table_has_a_line_for_each_host_and_says_why_the_run_stopped():
    hosts = [
        Host("web1", 1, "taken_back", OLD, NEW, OLD, "proceed", "since web2 failed"),
        Host("web2", 2, "failed", OLD, NEW, NEW, "rollback", "no answer"),
        Host("web3", 3, "waiting"),
    ]
    assert render(hosts, Stop("failed", 2, "batch 2 of 3: web2 failed: no answer"), ["to go on:", "  command"]) == [
        "host  batch  before    now       decision  reason",
        "----  -----  --------  --------  --------  ------------------------------",
        "web1  1      5f0c1c2a  5f0c1c2a  proceed   rolled back: since web2 failed",
        "web2  2      5f0c1c2a  0639294c  rollback  failed: no answer",
        "web3  3      -         -         -         not touched",
        "",
        "stopped: batch 2 of 3: web2 failed: no answer",
        "to go on:",
        "  command",
    ]


def test_a_good_run_has_the_table_alone():
    assert render([Host("web1", 1, "unchanged", NEW, NEW, NEW)], None, [])[2:] == [
        "web1  1      0639294c  0639294c  -         had it already"
    ]


def test_every_state_has_words_of_its_own():
    assert len({describe(Host("web1", 1, state)) for state in STATES}) == len(STATES)


def test_hosts_that_were_lost_are_rolled_back_and_released_again():
    hosts = [
        Host("web1", 1, "released", OLD, NEW, NEW),
        Host("web2", 2, "lost", OLD, NEW),
        Host("web3", 3, "waiting"),
    ]
    assert next_commands(hosts, LOST, ["/etc/my hosts", "more.ini"], ID) == [
        "when they can be reached again, roll them back:",
        "  ansible-playbook -i '/etc/my hosts' -i more.ini greenlight.release.rollback --limit web2 "
        f"-e greenlight_rollback_release={ID} -e greenlight_take_over=true",
        "to roll back what was released:",
        "  ansible-playbook -i '/etc/my hosts' -i more.ini greenlight.release.rollback --limit web1 "
        f"-e greenlight_rollback_release={ID}",
        "to go on with the others:",
        "  ansible-playbook -i '/etc/my hosts' -i more.ini greenlight.release.deploy --limit web2,web3 "
        f"-e greenlight_revision={NEW} -e greenlight_retry_rejected=true",
    ]


def test_hosts_that_could_not_be_rolled_back_are_not_released_again():
    hosts = [Host("web1", 1, "stuck", OLD, NEW), Host("web2", 2, "failed", OLD, NEW)]
    assert next_commands(hosts, FAILED, [], ID) == [
        "when they can be reached again, roll them back:",
        "  ansible-playbook greenlight.release.rollback --limit web1 "
        f"-e greenlight_rollback_release={ID} -e greenlight_take_over=true",
    ]


def test_hosts_that_wait_can_be_released_without_more_ado():
    hosts = [Host("web1", 1, "unchanged", NEW, NEW, NEW), Host("web2", 2, "waiting")]
    assert next_commands(hosts, LATE, [], ID) == [
        "to go on with the others:",
        f"  ansible-playbook greenlight.release.deploy --limit web2 -e greenlight_revision={NEW}",
    ]
    assert next_commands(hosts[1:], LATE, [], "") == []


def test_a_revision_that_was_rejected_on_one_host_is_not_suggested_for_the_others():
    hosts = [
        Host("web1", 1, "taken_back", OLD, NEW, OLD),
        Host("web2", 2, "failed", OLD, NEW),
        Host("web3", 3, "waiting"),
    ]
    assert next_commands(hosts, FAILED, [], ID) == []
