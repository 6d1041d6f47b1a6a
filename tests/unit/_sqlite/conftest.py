# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sqlite3

import pytest


@pytest.fixture
def live(tmp_path):
    """A connection to a database in WAL mode with two rows, `data/app.db`."""
    (tmp_path / "data").mkdir()
    connection = sqlite3.connect(tmp_path / "data" / "app.db", isolation_level=None)
    connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1), (2);")
    yield connection
    connection.close()
