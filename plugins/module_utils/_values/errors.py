# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The error that all errors of this collection derive from, and the tree of them.

A subject has one error. Those below it are for callers that do something else about them::

    GreenlightError
        AdjustError
        CannotTryError
        ChangesError
        CommandError
        ConditionError
        CountsError
        DatabasesError
        DurationError
        EvidenceError
        FleetError
        GitError
        GivenUp
        HealthError
        HookError
        JSONPathError
            TwiceError
        LogError
            LostLinesError
            NoLogError
        MatrixError
        MeasureError
        NotifyError
        OptionsError
        PM2Error
            EndedError
            MissingModuleError
            NoDaemonError
            ProtocolError
            ReloadError
        ProcessesError
        RecordError
        ScheduleError
        SqliteError
            DamagedError
            LockedError
        StatusError
        SurveyError
        SwitchError
        TooSlowError
        TrustError
"""

from __future__ import annotations


class GreenlightError(Exception):
    """What was asked cannot be done. The message says what is wrong, with which value, and what to do."""
