# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Options of the modules that write into a release record as a run that holds its lock."""

    DOCUMENTATION = r"""
options:
  state_path:
    description:
      - Folder of the app's release records.
    type: path
    required: true
  run_id:
    description:
      - Id of the run that holds the lock of the release, a text that is the same for all tasks of one run and
        differs between two runs.
    type: str
    required: true
  by:
    description:
      - Who runs it, for the message that another run gets.
    type: str
    default: unknown
  lease:
    description:
      - Seconds after which a run that gave no sign of life counts as dead. Each stage starts the count again.
    type: int
    default: 300
"""
