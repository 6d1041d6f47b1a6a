# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role verify makes of answers that the modules gave in real releases of the sample app under PM2.

Each file in C(recordings/verify) has the options of the app, the answers as C(facts), what C(since) the log is read,
and as C(golden) what is asked, measured and decided. Some answers were changed by hand; C(about) says what for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
RECORDINGS = sorted((HERE / "recordings" / "verify").glob("*.json"))


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_the_templates_of_the_role_make_of_recorded_answers_what_they_made_of_them(path):
    recorded = json.loads(path.read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, HERE / "render_verify.py"],
        input=json.dumps(recorded),
        env={**os.environ, "PYTHONHASHSEED": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    golden = recorded["golden"]
    assert {key: value for key, value in json.loads(done.stdout).items() if key in golden} == golden
