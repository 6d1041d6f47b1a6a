# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of other users, for tests: really given away where root runs them, else as `trust` sees them."""

from __future__ import annotations

import os

from ansible_collections.greenlight.release.plugins.module_utils._host import trust


class Owners:
    """Whom files belong to, while this process is root or seems to be."""

    def __init__(self, monkeypatch):
        self._given = {}
        self._is_root = os.geteuid() == 0
        if not self._is_root:
            # What belongs to this user is what belongs to root.
            monkeypatch.setattr(trust, "owner_of", self._owner_of)
            monkeypatch.setattr(os, "geteuid", lambda: 0)

    def give(self, path, uid):
        if self._is_root:
            os.chown(path, uid, uid, follow_symlinks=False)
        self._given[os.lstat(path).st_ino] = uid

    def _owner_of(self, descriptor):
        return self._given.get(os.fstat(descriptor).st_ino, 0)
