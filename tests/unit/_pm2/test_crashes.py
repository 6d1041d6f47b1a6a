# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import crashes
from ansible_collections.greenlight.release.plugins.module_utils._pm2.bus import Uncaught
from ansible_collections.greenlight.release.plugins.module_utils._pm2.logs import LogMark
from ansible_collections.greenlight.release.plugins.module_utils._pm2.process import Readiness
from pm2_fakes import Time, instance

MISSING = "Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'nope' imported from /srv/shop/server.js"
NOT_CAUGHT = "You have triggered an unhandledRejection, you may have forgotten to catch a Promise rejection:\n"
RUN = "\n    at file:///srv/shop/server.js:1:7\n    at ModuleJob.run (node:internal/modules/esm/module_job:439:25)\n"
DEEP = "\n    at f (file:///srv/shop/a.js:1:34)\n    at async file:///srv/shop/a.js:1:54\n"


@pytest.mark.parametrize(
    "text, line, caught",
    [
        (f"listening\n{MISSING}\n    at packageResolve (node:internal/modules/esm/resolve:768:81)\n", MISSING, False),
        ('TypeError [ERR_UNKNOWN_FILE_EXTENSION]: Unknown file extension ".ts"', None, False),
        ("SyntaxError: The requested module './x.js' does not provide an export named 'y'", None, False),
        (f"{NOT_CAUGHT}Error: connect ECONNREFUSED\n    at net.js:1\n", "Error: connect ECONNREFUSED", False),
        (f"starting\nTypeError: boom{RUN}", "TypeError: boom", True),
        (f"Error: deep{DEEP}", "Error: deep", True),
        ("Error: x\n    at a (node:net:1)\n    at async node:internal/modules/esm/loader:643:26\n", "Error: x", True),
        ("SyntaxError: Unexpected token < in JSON at position 0", "", False),
        (f"Error: handled\n    at a (/srv/a.js:1)\nlater{RUN}", "", False),
        ("Error: connect ECONNREFUSED 127.0.0.1:6379\n    at TCP (node:net:1)\n", "", False),
        ("the answer was Error [ERR_MODULE_NOT_FOUND]: no", "", False),
        ("", "", False),
    ],
)
def test_code_that_cannot_be_loaded_is_recognised(text, line, caught):
    expected = crashes.LoadFailure(text if line is None else line, caught)
    assert crashes.load_failure(text) == (None if line == "" else expected)


class App:
    """The logs of an app that listens nowhere, and the judge of it."""

    def __init__(self, folder):
        self.error, self.out, self.time = folder / "error.log", folder / "out.log", Time()
        self.error.write_text("TypeError [ERR_DLOPEN_FAILED]: of an earlier start\n")
        self.deaf = self.seen("it listens on no port", [])
        self.uncaught = {}
        # The out log is new.
        self.judge = crashes.load_failure_judge(
            crashes.Signs([LogMark.of(self.error)], lambda: self.uncaught), lambda: self.time.now
        )

    def seen(self, reason, ports):
        return Readiness(False, reason, [instance(err_log=str(self.error), out_log=str(self.out))], ports)

    def says(self, text, log=None):
        with (log or self.error).open("a") as file:
            file.write(text)

    def is_given_up(self, seconds):
        self.time.sleep(seconds)
        return self.judge(self.deaf).final


def test_a_process_whose_code_cannot_be_loaded_is_given_up_when_it_listens_nowhere(tmp_path):
    app = App(tmp_path)
    assert app.judge(app.deaf) == app.deaf
    app.says(f"{MISSING}\n")
    listening = app.seen("it takes no connection", [3000])
    assert [app.is_given_up(0), app.is_given_up(2.9), app.judge(listening).final] == [False, False, False]
    assert [app.is_given_up(0.2), app.is_given_up(2)] == [False, False]
    app.says("more\n")
    assert app.is_given_up(1.5) is True
    assert app.judge(app.deaf).reason == f"its code cannot be loaded: {MISSING}"


def test_an_app_that_may_have_caught_its_error_is_given_up_only_when_it_is_silent(tmp_path):
    app = App(tmp_path)
    app.says(f"Error: no database{RUN}")
    assert [app.is_given_up(0), app.is_given_up(4.9)] == [False, False]
    app.says("trying again\n", app.out)
    assert [app.is_given_up(1), app.is_given_up(4.9), app.is_given_up(0.2)] == [False, False, True]


def test_a_rejection_that_nothing_handled_is_given_up_when_the_app_is_silent(tmp_path):
    app = App(tmp_path)
    began = app.deaf.instances[0].started_at
    app.uncaught = {9: Uncaught("Error: of another", began), 3: Uncaught("Error: of its last process", began - 1)}
    assert [app.is_given_up(0), app.is_given_up(60)] == [False, False]
    app.uncaught = {3: Uncaught("Error: connect ECONNREFUSED", began)}
    assert [app.is_given_up(0), app.is_given_up(4.9)] == [False, False]
    app.says("trying again\n", app.out)
    assert [app.is_given_up(1), app.judge(app.seen("it takes no connection", [3000])).final] == [False, False]
    assert [app.is_given_up(1), app.is_given_up(5.1)] == [False, True]
    assert app.judge(app.deaf).reason == "its code cannot be loaded: Error: connect ECONNREFUSED"
