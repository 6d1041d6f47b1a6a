# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Attributes that every module of the collection states about itself."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what would change without changing anything.
  diff_mode:
    description: Returns details on what has changed, or would change, in diff mode.
  idempotent:
    description: Running it again with the same options, on an unchanged host, changes nothing.
  platform:
    description: Target operating systems.
    platforms: linux
    support: full
"""

    ACTIONGROUP_RELEASE = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/greenlight.release.release) in C(module_defaults) to set options for every module.
    support: full
    membership:
      - greenlight.release.release
"""
