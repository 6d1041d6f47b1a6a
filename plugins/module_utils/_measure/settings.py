# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the role verify by which a revision is measured and judged."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Callable, Dict, List, Mapping, Union

from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import patch_matrix
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

Number = Union[int, float]
# A style of whole lines, in which requests are found by their texts.
CUSTOM = "custom"
_CUSTOM_RATE = {"count": '"statusCode":5', "of": '"statusCode":'}


class MeasureError(GreenlightError):
    """An option or an answer that cannot be used, with what to do about it."""


@dataclass(frozen=True)
class Settings:
    """The options of the role, without their prefix `greenlight_`. Times are in seconds."""

    decision_matrix: List[Any]
    first_hour_rows: List[Any]
    watch_rows: List[Any]
    decision_matrix_patches: Mapping[str, Any]
    health_url: str
    health_expect: List[Any]
    health_probe: Mapping[str, Any]
    health_deadline: Number
    response_time_url: str
    response_time_samples: Any
    cache_stats_url: str
    cache_hit_rate_path: str
    probes: List[Any]
    log_files: List[Any]
    critical_errors: List[str]
    ignored_errors: List[str]
    warnings: List[str]
    required_log_lines: List[str]
    log_style: Any
    error_rate: Mapping[str, Any]
    pool_exhausted: str
    stable_seconds: Number
    warm_up_seconds: Number
    measure_seconds: Number
    watch_seconds: Number
    same_hour_baseline: bool

    def matrix(self) -> List[Dict[str, Any]]:
        """Return all rows, patched. Raises MatrixError for a wrong patch."""
        rows = [*self.decision_matrix, *self.first_hour_rows, *self.watch_rows]
        return patch_matrix(rows, self.decision_matrix_patches)

    def infers_health(self) -> bool:
        """Say whether nobody said what a good answer is, so that it is what the old revision answers."""
        return not self.health_expect and not any(key in self.health_probe for key in _EXPECTATIONS)

    def log_styles(self) -> List[str]:
        """Return the styles of the log as a list."""
        return self.log_style if isinstance(self.log_style, list) else [str(self.log_style)]

    def rate_of_errors(self) -> Mapping[str, Any]:
        """Return how failed requests are counted: by the user's texts, else by the styles of the log."""
        if self.error_rate:
            return self.error_rate
        return _CUSTOM_RATE if CUSTOM in self.log_styles() else {"requests": "failed"}

    def probe_metrics(self) -> List[str]:
        """Return the names of the metrics that probes of the user measure."""
        return [metric for probe in self.probes for metric in probe.get("measurements") or {}]


_EXPECTATIONS = ("status", "expect_json", "expect_headers", "expect_body", "expect_text")
NAMES = tuple(each.name for each in fields(Settings))


def parse_settings(options: Mapping[str, Any]) -> Settings:
    """Return the settings out of the options, in which a number or a boolean may be a text, as from a command line.

    Raises MeasureError, which names the option.
    """
    parsers: Dict[str, Callable[[str, Any], Any]] = {"Number": _number, "bool": _boolean}
    return Settings(
        **{
            field.name: parsers[str(field.type)](field.name, options[field.name])
            if field.type in parsers
            else options[field.name]
            for field in fields(Settings)
        }
    )


def _number(name: str, value: Any) -> Number:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise MeasureError(f"greenlight_{name} must be a number of seconds, not {value!r}") from error
    return int(number) if number.is_integer() else number


def _boolean(name: str, value: Any) -> bool:
    """Return a boolean, with the same words for it that Ansible knows."""
    text = str(value).lower()
    if text in ("true", "yes", "on", "y", "t", "1", "1.0"):
        return True
    if text in ("false", "no", "off", "n", "f", "0", "0.0", ""):
        return False
    raise MeasureError(f"greenlight_{name} must be true or false, not {value!r}")
