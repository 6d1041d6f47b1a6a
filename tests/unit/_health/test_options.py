# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._health import options, parse
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Probe

URL = "http://127.0.0.1:3000/health"


def test_every_option_is_a_field_of_a_probe():
    assert set(options.PROBE) == {field.name for field in dataclasses.fields(Probe)}


@pytest.mark.parametrize("name", sorted(set(options.PROBE) - {"url"}))
def test_a_probe_is_the_same_with_the_default_of_an_option_as_without_it(name):
    default = options.PROBE[name].get("default")
    assert parse.parse_probe(0, {"url": URL, name: default}, 5) == parse.parse_probe(0, {"url": URL}, 5)
