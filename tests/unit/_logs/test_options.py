# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._logs import options, rules
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import CONDITIONS


def test_a_pattern_may_have_every_condition():
    assert set(CONDITIONS) < set(options.PATTERN)


@pytest.mark.parametrize("kind", ["require", "forbid", "count"])
def test_a_rule_is_the_same_with_the_defaults_of_all_options_as_without_them(kind):
    defaults = {name: option.get("default") for name, option in options.RULES[kind]["options"].items()}
    (full,), (short,) = (rules.parse_rules(kind, [{**given, "pattern": "x"}]) for given in (defaults, {}))
    described = [(rule.name, rule.matcher.shown, rule.stream, rule.minimum, rule.maximum) for rule in (full, short)]
    assert described[0] == described[1]
    assert (full.per_hour, full.new_kinds_only) == (short.per_hour, short.new_kinds_only) == (False, False)


@pytest.mark.parametrize(
    "kind, more",
    [
        ("require", {"stream", "minimum"}),
        ("forbid", {"stream", "maximum", "per", "new_kinds_only", "level"}),
        ("count", {"stream", "per"}),
        ("ignore", set()),
    ],
)
def test_each_kind_of_rule_has_the_options_that_mean_something_to_it(kind, more):
    assert set(options.RULES[kind]["options"]) == set(options.PATTERN) | more
