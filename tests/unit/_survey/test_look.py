# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._survey import look
from ansible_collections.greenlight.release.plugins.module_utils._survey.look import SurveyError
from ansible_collections.greenlight.release.plugins.module_utils._values.app_process import AppProcess
from pm2_fakes import instance


def named(name, pid=0, **more):
    return replace(instance(pid=pid, status="online" if pid else "stopped", **more), name=name)


WEB, WORKER, IDLE = named("web", 5, pm_id=2), named("worker", 6, pm_id=1), named("idle", pm_id=0)
NIGHTLY = named("nightly", pm_id=3, schedule="0 3 * * *")
SEED = named("seed", pm_id=4, autorestart=False)
KNOWN = look.by_name([WEB, WORKER, IDLE, NIGHTLY, SEED])
ONE_PLACE = dict.fromkeys(KNOWN, "/srv/shop")


def doing(**places):
    """Return what the processes do, of which these serve."""
    return look.roles(KNOWN, lambda name: places.get(name, ([], [])))


def test_what_a_process_does_shows_in_where_it_listens_and_when_pm2_starts_it():
    assert [*KNOWN] == ["idle", "worker", "web", "nightly", "seed"]
    assert doing(web=([3000, 9090], ["/run/s"])) == {
        "worker": AppProcess("worker", "works"),
        "web": AppProcess("web", "serves", (3000, 9090)),
        "nightly": AppProcess("nightly", "runs"),
        "seed": AppProcess("seed", "runs"),
    }
    assert doing(web=([], ["/run/s"]))["web"] == AppProcess("web", "serves", (), "/run/s")


WEB_SERVES, BOTH_SERVE = {"web": ([3000], [])}, {"web": ([3000], []), "worker": ([4000], [])}


@pytest.mark.parametrize(
    "serving, wanted, homes, app",
    [
        (WEB_SERVES, "", {}, "web"),
        (WEB_SERVES, "worker", {}, "worker"),
        (BOTH_SERVE, "", {}, "worker"),
        (BOTH_SERVE, "web", {"web": "/srv/other"}, "web"),
        ({}, "", {"web": "/srv/shop"}, "worker"),
    ],
)
def test_the_app_is_measured_by_the_oldest_process_that_serves(serving, wanted, homes, app):
    assert look.choose(KNOWN, doing(**serving), wanted, {**ONE_PLACE, **homes}) == app


@pytest.mark.parametrize(
    "wanted, serving, said",
    [
        ("", BOTH_SERVE, "2 processes of PM2 serve or work, from several checkouts; set .* one of idle, nightly"),
        ("gone", WEB_SERVES, "PM2 knows no process gone; set greenlight_process_name to one of idle, nightly, seed"),
        ("idle", WEB_SERVES, "idle does not run, so nothing can be seen of it"),
    ],
)
def test_where_it_is_not_clear_which_app_is_meant_the_names_are_listed(wanted, serving, said):
    with pytest.raises(SurveyError, match=said):
        look.choose(KNOWN, doing(**serving), wanted, {**ONE_PLACE, "web": "/srv/other"})
    with pytest.raises(SurveyError, match="No process of PM2 serves or works; .* those that it should run$"):
        look.choose({}, {}, "", {})


def test_the_processes_of_an_app_begin_with_the_one_that_is_measured():
    known, everything = doing(**BOTH_SERVE), [*KNOWN]
    assert [each.name for each in look.members(known, "web", everything)] == ["web", "worker", "nightly", "seed"]
    assert [each.name for each in look.members(known, "web", ["web", "seed"])] == ["web", "seed"]
    # Who asks for a worker does not mean the server beside it.
    assert [each.name for each in look.members(doing(**WEB_SERVES), "worker", everything)] == [
        *("worker", "nightly", "seed")
    ]


def test_a_place_that_cannot_be_written_to_is_not_used(tmp_path, monkeypatch):
    assert look.state_path_of(tmp_path / "greenlight" / "shop", tmp_path) == ""
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert look.state_path_of(tmp_path / "greenlight" / "shop", Path("/home/me")) == "/home/me/.greenlight/shop"
