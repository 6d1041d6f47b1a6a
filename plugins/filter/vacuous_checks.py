# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: vacuous_checks
short_description: Find checks that cannot fail
version_added: 0.1.0
description:
  - Says which probes, patterns and metrics would say nothing of a new revision, after they were tried on the running one.
  - These are probes without a good answer, required lines that the log has already, patterns that neither the logs nor the sources have,
    rates without a request, or of which no failure was seen whose text is no kind of request, and metrics that never vary.
author:
  - The greenlight.release maintainers (@greenlight)
options:
  _input:
    description:
      - C(probes), C(unmeasured) and C(measurements) as M(greenlight.release.health_check) returns them, C(lines) as
        M(greenlight.release.log_assert) does.
      - C(required), a list of the required lines. C(absent) and C(unsearched), the patterns that were not found in the sources, or could
        not be searched for.
      - C(rates), the texts C(count) and C(of) by the name of the rate. C(gauges), the names of metrics that should vary.
        C(readings), earlier values by the name of the metric.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the checks that cannot fail
  ansible.builtin.debug:
    msg: "{{ tried | greenlight.release.vacuous_checks }}"
  vars:
    tried:
      probes: "{{ shop_health.probes }}"
      unmeasured: "{{ shop_health.unmeasured }}"
      measurements: "{{ shop_health.measurements }}"
      lines: "{{ shop_log.lines }}"
      required: [Listening]
      absent: []
      unsearched: []
      rates: {}
      gauges: [cache_hit_rate]
      readings: {cache_hit_rate: [0, 0]}
"""

RETURN = r"""
_value:
  description: One sentence for each check that says nothing.
  type: list
  elements: str
  sample: ["cache_hit_rate: it was 0 in the last 3 readings, so it may never vary"]
"""

from typing import Any, Callable, Dict

from ansible_collections.greenlight.release.plugins.module_utils._decision import vacuous


class FilterModule:
    """Filter that finds checks which cannot fail."""

    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"vacuous_checks": vacuous.find_vacuous}
