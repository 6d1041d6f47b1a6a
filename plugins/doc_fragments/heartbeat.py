# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The option of the modules that renew the lease of a run while they work."""

    DOCUMENTATION = r"""
options:
  heartbeat:
    description:
      - The run that this task is a part of. As long as the module works, it renews the lease that the run has of a
        release, so that the run does not count as dead.
      - Nothing is renewed in check mode, nor where the run has no lease.
    type: dict
    suboptions:
      state_path:
        description: Folder of the app's release records.
        type: path
        required: true
      run_id:
        description: Id of the run, as M(greenlight.release.release_record) got it. Empty renews nothing.
        type: str
        default: ""
      lease:
        description: Seconds for which a renewal counts. It is renewed three times as often.
        type: int
        default: 300
      lease_after:
        description: Seconds that the lease has left when the module ends. The default is O(heartbeat.lease).
        type: int
"""
