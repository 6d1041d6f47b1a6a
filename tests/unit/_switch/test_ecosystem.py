# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._switch import ecosystem
from switch_fakes import make_inputs, open_release


@pytest.fixture
def inputs(tmp_path, monkeypatch):
    """Return a function that makes the inputs of a switch between revisions in which paths differ."""

    def make(*changed, known=True, **given):
        monkeypatch.setattr(ecosystem, "has_commit", lambda _git, _sha: known)
        monkeypatch.setattr(ecosystem, "changed_between", lambda *_given: ["server.js", *changed])
        open_release(tmp_path, tmp_path, "backed_up")
        return make_inputs(tmp_path, **given)

    return make


@pytest.mark.parametrize(
    "path, subfolder, said",
    [
        ("ecosystem.config.js", "", True),
        ("ecosystem.production.config.cjs", "", True),
        ("pm2.json", "", True),
        ("process.yml", "", True),
        ("backend/ecosystem.config.js", "backend", True),
        ("ecosystem.config.js", "backend", True),
        ("other/ecosystem.config.js", "backend", False),
        ("docs/ecosystem.md", "docs", False),
        ("process.js", "", False),
        ("my-ecosystem.js", "", False),
    ],
)
def test_a_changed_description_of_the_app_is_told(inputs, path, subfolder, said):
    told = ecosystem.warnings(inputs(path, subfolder=subfolder))
    assert len(told) == said
    if said:
        expected = (
            f"{path} differs between aaaaaaaa and bbbbbbbb, and nothing of it is applied: shop keeps the settings"
        )
        assert told[0].startswith(expected)


def test_what_did_not_change_or_is_not_known_is_not_told(inputs):
    assert ecosystem.warnings(inputs()) == []
    assert ecosystem.warnings(inputs("ecosystem.config.js", known=False)) == []
    first = inputs("ecosystem.config.js")
    assert ecosystem.warnings(replace(first, move=replace(first.move, from_sha=""))) == []
