# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest
from ansible_collections.greenlight.release.plugins import module_utils
from ansible_collections.greenlight.release.plugins.module_utils._values import errors
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

UTILS = [each.name for each in pkgutil.walk_packages(module_utils.__path__, f"{module_utils.__name__}.")]


def drawn(error, depth=1):
    """Yield the line of an error and of those below it, as the docstring draws them."""
    yield f"{'    ' * depth}{error.__name__}"
    for below in sorted(error.__subclasses__(), key=lambda each: each.__name__):
        if below.__module__ in UTILS:
            yield from drawn(below, depth + 1)


@pytest.mark.parametrize("name", UTILS)
def test_every_error_derives_from_the_root(name):
    """One that is private to a file never leaves it, and may be anything."""
    found = inspect.getmembers(importlib.import_module(name), inspect.isclass)
    own = [each for _name, each in found if each.__module__ == name and issubclass(each, Exception)]
    assert [each.__name__ for each in own if not (issubclass(each, GreenlightError) or each.__name__[0] == "_")] == []


def test_the_tree_of_errors_is_drawn_as_it_is():
    for name in UTILS:
        importlib.import_module(name)
    assert errors.__doc__.split("::\n\n")[1].splitlines() == list(drawn(GreenlightError))
