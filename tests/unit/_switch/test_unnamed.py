# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os

from ansible_collections.greenlight.release.plugins.module_utils._switch import unnamed
from pm2_fakes import FakeTransport, listed
from sqlite_host import Host
from switch_fakes import make_inputs, open_release


def test_a_database_that_the_app_has_open_and_that_no_variable_names_is_told(tmp_path):
    """Nothing of a release would care for it, and nobody would know before the day on which it is needed."""
    (tmp_path / "second").mkdir()
    named, other = Host(tmp_path), Host(tmp_path / "second")
    (tmp_path / "link.db").symlink_to(named.path)
    (tmp_path / "notes.db").write_text("no database")

    def told(*paths):
        open_release(tmp_path, tmp_path, databases=[{"path": str(path)} for path in paths])
        transport = FakeTransport([listed(pid=os.getpid())])
        found = unnamed.warnings(make_inputs(tmp_path, transport, backups=[]))
        # Other tests of this process may not have closed theirs.
        return [each for each in found if str(tmp_path) in each]

    with contextlib.ExitStack() as opened:
        for path in (named.path, other.path, tmp_path / "notes.db"):
            opened.enter_context(path.open("rb"))
        (warning,) = told(tmp_path / "link.db")
        assert warning.startswith(f"shop has the database {other.path} open, which is neither backed up nor restored")
        assert len(told()) == 2
        assert told(named.path, other.path) == []
