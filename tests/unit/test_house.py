# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of this house: the collection keeps each of them, and each sees an example that breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import parse_matrix
from house_rules.broken import BROKEN
from house_rules.exceptions import EXCEPTIONS
from house_rules.rules import RULES

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def name_of(rule):
    return rule.__name__


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_collection_keeps_the_rule(rule):
    excused = set(EXCEPTIONS.get(rule.__name__, ()))
    found = rule(CHECKOUT)
    assert [sentence for sentence in found if sentence.split(":")[0] not in excused] == []
    no_longer = excused - {sentence.split(":")[0] for sentence in found}
    assert not no_longer, f"keep this rule now; take them off the list of exceptions: {sorted(no_longer)}"


def test_every_rule_has_an_example_that_breaks_it():
    assert {rule for rule, _files, _sentences in BROKEN} == set(RULES)
    assert set(EXCEPTIONS) <= {rule.__name__ for rule in RULES}


@pytest.mark.parametrize("rule, files, sentences", BROKEN, ids=[name_of(rule) for rule, _files, _sentences in BROKEN])
def test_the_rule_sees_what_breaks_it(rule, files, sentences, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert sorted(rule(tmp_path)) == sorted(sentences)


def test_the_default_matrix_has_the_seven_rows_of_the_runbook():
    defaults = yaml.safe_load((CHECKOUT / "roles/verify/defaults/main.yml").read_text())
    assert len(parse_matrix(defaults["greenlight_decision_matrix"])) == 7
