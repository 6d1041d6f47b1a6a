# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of this house that no linter knows.

Each is a function that takes the folder of the collection and returns what breaks it, a sentence each that begins with
the file. `test_house.py` applies each to the collection, and to an example that is broken on purpose.
"""

from __future__ import annotations

from . import imports, papers, python, roles

RULES = (*imports.RULES, *python.RULES, *roles.RULES, *papers.RULES)
