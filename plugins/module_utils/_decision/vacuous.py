# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that cannot fail, detected on the running revision before anything is touched."""

from __future__ import annotations

from typing import Any, List, Mapping

from ansible_collections.greenlight.release.plugins.module_utils._decision.bound import is_number

# A metric that was the same in so many readings in a row is not measured, whatever it says.
_SAME_READINGS = 3


def find_vacuous(tried: Mapping[str, Any]) -> List[str]:
    """Return one sentence for each check that says nothing, [] when all of them do.

    `tried` is what was found by trying them on the running revision: `probes` and `unmeasured` as health_check
    returns them, `lines` as log_assert does; `required`, the required lines; `absent`, patterns that were not found
    in the sources; `unsearched`, those that could not be searched for; `rates`, the texts `{count, of}` of each
    rate, or how it is counted without any; `styles`, those of the log; `gauges`, the metrics that probes read;
    `measurements`, and `readings`, the earlier values of each metric.
    """
    return [
        *(f"probe {probe['name']}: {probe['reason']}" for probe in tried["probes"] if not probe["healthy"]),
        *tried["unmeasured"],
        *_lines(tried),
        *_rates(tried),
        *_gauges(tried),
    ]


def _lines(tried: Mapping[str, Any]) -> List[str]:
    known = [line for line in tried["required"] if tried["lines"].get(line, {}).get("count")]
    return [
        *(f"required line {line!r}: the log of the running revision has it already" for line in known),
        *(f"pattern {pattern!r}: neither the logs nor the sources of the app have it" for pattern in tried["absent"]),
        *(f"pattern {pattern!r}: grep cannot search for it in the sources" for pattern in tried["unsearched"]),
    ]


def _rates(tried: Mapping[str, Any]) -> List[str]:
    found = []
    for metric, texts in tried["rates"].items():
        measured = tried["measurements"].get(metric)
        if measured is None and "of" not in texts:
            styles = ", ".join(tried["styles"]) or "none"
            found.append(
                f"{metric}: no line of the log tells of a request, in styles: {styles}; let the app log its requests, "
                "as morgan, pino-http and Fastify do, name the access log of its web server in greenlight_log_files, "
                "or set greenlight_error_rate"
            )
        elif measured is None:
            found.append(f"{metric}: no line of the log has {texts['of']!r}, so no request would be counted")
        elif "of" not in texts:
            continue
        elif measured["value"] == 0 and texts["of"] not in texts["count"]:
            found.append(f"{metric}: no line of the log has {texts['count']!r}, so it is not known to count failures")
    return found


def _gauges(tried: Mapping[str, Any]) -> List[str]:
    found = []
    for metric in tried["gauges"]:
        value = tried["measurements"].get(metric)
        value = value.get("value") if isinstance(value, Mapping) else value
        if not is_number(value):
            continue
        values = [*tried["readings"].get(metric, [])[1 - _SAME_READINGS :], value]
        if len(set(values)) == 1 and len(values) == _SAME_READINGS:
            found.append(f"{metric}: it was {value:g} in the last {len(values)} readings, so it may never vary")
        elif set(values) == {0}:
            found.append(f"{metric}: it is 0, as it would be if nothing were counted")
    return found
