# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a role's README says is what its argument_specs say."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

CHECKOUT = Path(__file__).resolve().parent.parent.parent
SOURCE = importlib.util.spec_from_file_location("role_readmes", CHECKOUT / "tools" / "role_readmes.py")
role_readmes = importlib.util.module_from_spec(SOURCE)
SOURCE.loader.exec_module(role_readmes)


@pytest.mark.parametrize("role", role_readmes.ROLES)
def test_the_readme_is_what_the_options_make_of_it(role):
    written = (CHECKOUT / "roles" / role / "README.md").read_text(encoding="utf-8")
    assert written == role_readmes.render(role), "run python tools/role_readmes.py, see CONTRIBUTING.md"


@pytest.mark.parametrize("role", role_readmes.ROLES)
def test_every_option_has_one_line_and_the_example_is_complete(role):
    text, options = role_readmes.render(role), role_readmes.main_entry(role)["options"]
    assert re.findall(r"^\| `(greenlight_\w+)`", text, re.M) == sorted(
        options, key=lambda name: not options[name].get("required", False)
    )
    play = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.S)[1])[0]
    required = {name for name, option in options.items() if option.get("required")}
    needed = required | {*role_readmes.NEEDED_BY_MOST}
    assert (set(play["vars"]), play["roles"]) == (needed, [{"role": f"greenlight.release.{role}"}])


@pytest.mark.parametrize("role", role_readmes.ROLES)
def test_no_markup_of_ansible_is_left(role):
    assert re.findall(r"\b[VCOEMP]\([^)]*\)", role_readmes.render(role)) == []


@pytest.mark.parametrize(
    "text, markdown",
    [
        ("V(reload) or C(x)", "`reload` or `x`"),
        ("see O(greenlight.release.sqlite_backup#module:keep)", "see `keep` of `greenlight.release.sqlite_backup`"),
        ("the role P(greenlight.release.verify#role)", "the role `greenlight.release.verify`"),
    ],
)
def test_the_markup_of_ansible_becomes_markdown(text, markdown):
    assert role_readmes.plain(text) == markdown
