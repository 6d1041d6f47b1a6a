# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from pathlib import Path

# Import the helpers of all scenarios.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "shared"))
