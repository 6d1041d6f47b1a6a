# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._host import proc
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import carry_out, readiness, waits
from ansible_collections.greenlight.release.plugins.module_utils._pm2.errors import PM2Error
from ansible_collections.greenlight.release.plugins.module_utils._pm2.plan import ProcessPlan
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness
from pm2_fakes import READY, STOPPED, FakeTransport, instance, listed, make_partial, request, state

SLOW = instance(kill_timeout=90_000, listen_timeout=120_000)


@pytest.mark.parametrize(
    "instances, config, start, stop, answer",
    [
        ([], None, 5, 5, 0),
        ([instance(kill_timeout=1600)], None, 5, 5, 1.6),
        ([SLOW, instance()], None, 120, 92, 210),
        ([instance()], make_partial(kill_timeout=30_000, listen_timeout=7000), 7, 32, 37),
    ],
)
def test_an_app_has_as_long_as_its_own_settings_say(instances, config, start, stop, answer):
    wanted = request(config=config, timeout=5.0)
    assert waits.start_seconds(wanted, instances) == start
    assert waits.stop_seconds(wanted, instances) == stop
    assert waits.answer_seconds(wanted, instances) == answer


def test_a_slow_start_is_awaited_until_the_listen_timeout_of_the_app(kernel, host):
    before = {**STOPPED, "pm2_env": {**STOPPED["pm2_env"], "listen_timeout": 40_000}}
    deaf = Readiness(False, "it listens on no port", READY.instances, [])
    fake = host(FakeTransport([listed(pid=6)]))
    kernel.setattr(readiness, "measure", lambda *_arguments: READY if fake.clock.now() >= 30 else deaf)
    outcome = carry_out.carry_out(request(timeout=5.0), fake, state(before), ProcessPlan("start", [], False))
    assert (outcome.ready_after, fake.waits) == (pytest.approx(30, abs=0.1), [pytest.approx(41.6)])
    assert fake.clock.now() >= 30


def test_a_slow_end_is_awaited_until_the_kill_timeout_of_the_app(kernel, host):
    fake = host(FakeTransport([listed(pid=6)]))
    kernel.setattr(proc, "with_descendants", set)
    kernel.setattr(proc, "is_alive", lambda _pid: fake.clock.now() < 30)
    wanted, plan = request("stopped", timeout=5.0), ProcessPlan("stop", [], False)
    with pytest.raises(PM2Error, match="still runs after 5 seconds"):
        carry_out.carry_out(wanted, fake, state(listed(pid=6)), plan)
    carry_out.carry_out(wanted, fake, state(listed(pid=6, kill_timeout=40_000)), plan)
    assert fake.clock.now() >= 30
