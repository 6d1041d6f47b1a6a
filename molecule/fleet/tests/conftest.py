# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from pathlib import Path

# Import the helpers of all scenarios, and what starts playbooks quickly, which the other tests use too.
CHECKOUT = Path(__file__).resolve().parent.parent.parent.parent
sys.path[:0] = [str(CHECKOUT / "molecule" / "shared"), str(CHECKOUT / "tests" / "support")]
