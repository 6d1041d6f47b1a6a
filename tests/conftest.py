# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as `ansible_collections.greenlight.release`, wherever it lies, and tests/support too."""

from __future__ import annotations

import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
COLLECTIONS = CHECKOUT / ".cache" / "collections"
LINK = COLLECTIONS / "ansible_collections" / "greenlight" / "release"

LINK.parent.mkdir(parents=True, exist_ok=True)
if not LINK.is_symlink() or LINK.resolve() != CHECKOUT:
    LINK.unlink(missing_ok=True)
    LINK.symlink_to(CHECKOUT)
sys.path[:0] = [str(COLLECTIONS), str(CHECKOUT / "tests" / "support")]
