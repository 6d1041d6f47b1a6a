# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with PM2: PM2Error, and the two kinds of it that a caller may want to distinguish."""

from __future__ import annotations

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError


class PM2Error(GreenlightError):
    """PM2 could not be asked, or did not do what was asked."""


class ProtocolError(PM2Error):
    """What came over the socket is not axon-rpc."""


class NoDaemonError(PM2Error):
    """No PM2 daemon runs for this PM2_HOME."""


class EndedError(PM2Error):
    """A process ended before it served, or its code cannot be loaded; PM2 may start it again and again."""


class MissingModuleError(PM2Error):
    """An ecosystem file asks for a module that is not there, or not yet."""
