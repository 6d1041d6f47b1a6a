# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.greenlight.release.plugins.filter.databases import FilterModule
from ansible_collections.greenlight.release.plugins.module_utils._release import databases

ONE, TWO = "/srv/shop.db", "/srv/other/shop.db"
listed = FilterModule().filters()["databases"]


@pytest.mark.parametrize(
    "facts, known",
    [
        ({}, []),
        ({"databases": []}, []),
        (
            {"databases": [{"path": ONE, "backup": "/b/1"}, {"path": TWO}]},
            [{"path": ONE, "backup": "/b/1"}, {"path": TWO}],
        ),
        ({"database_path": ONE}, [{"path": ONE}]),
        # What an earlier version wrote is read as the list of one.
        (
            {"database_path": ONE, "backup": "/b/1", "schema": ["5", 0], "restored": {"restored": False}, "cursor": {}},
            [{"path": ONE, "backup": "/b/1", "schema": ["5", 0], "restored": {"restored": False}}],
        ),
        ({"database_path": "", "backup": ""}, []),
        # A release that was opened by an earlier version and goes on with this one.
        (
            {"database_path": ONE, "backup": "/b/1", "databases": [{"path": ONE, "backup": "/b/2"}]},
            [{"path": ONE, "backup": "/b/2"}],
        ),
    ],
)
def test_a_record_of_any_version_is_read_as_a_list(facts, known):
    assert databases.of_facts(facts) == known
    assert databases.paths_of(facts) == [each["path"] for each in known]


def test_what_is_read_of_a_record_can_be_changed_without_it():
    facts = {"databases": [{"path": ONE}]}
    databases.of_facts(facts)[0]["backup"] = "/b/1"
    assert facts == {"databases": [{"path": ONE}]}


FULL = {
    "path": TWO,
    "rollback": "keep",
    "restore_within": "1h",
    "restore_loses_at_most": 5,
    "verify": "full",
    "backup_path": "/var/backups",
}


@pytest.mark.parametrize(
    "single, several, found",
    [
        ("", [], []),
        (ONE, [], [{"path": ONE}]),
        ("", [ONE], [{"path": ONE}]),
        ("", [ONE, FULL], [{"path": ONE}, FULL]),
        ("", [{"path": ONE}, {"path": TWO, "verify": "none"}], [{"path": ONE}, {"path": TWO, "verify": "none"}]),
    ],
)
def test_none_one_or_several_are_named_by_one_of_two_variables(single, several, found):
    assert listed(several, single) == found


@pytest.mark.parametrize(
    "facts, found",
    [({}, [ONE]), ({"databases": [{"path": TWO}]}, [TWO]), ({"database_path": TWO}, [TWO]), ({"databases": []}, [])],
)
def test_a_record_that_knows_its_databases_goes_before_the_variables(facts, found):
    assert [each["path"] for each in listed([], ONE, facts)] == found


@pytest.mark.parametrize(
    "single, several, message",
    [
        (ONE, [TWO], "are both set; leave one of them out"),
        ("", [ONE, {"path": ONE}], f"greenlight_databases has {ONE} twice"),
        ("", [ONE, "/srv/../srv/shop.db"], "has /srv/../srv/shop.db twice; name each database once"),
        ("", [7], r"greenlight_databases.0. must be a path, or a mapping with a path, and not 7"),
        ("", [ONE, {"verify": "full"}], r"greenlight_databases.1. must be a path, or a mapping with a path"),
        ("", [{"path": 7}], "must be a path, or a mapping"),
        ("", [{"path": "shop.db"}], r"greenlight_databases.0..path must be an absolute path, not 'shop.db'"),
        ("", ["shop.db"], r"greenlight_databases.0..path must be an absolute path, not 'shop.db'"),
        ("", [{"path": ONE, "backup_path": "b"}], "backup_path must be an absolute path, not 'b'"),
        ("", [{"path": ONE, "policy": "keep"}], "has the key 'policy', which is not known; use path, rollback, "),
        ("", [{"path": ONE, "rollback": "kept"}], "rollback must be auto, restore or keep, not 'kept'"),
        ("", [{"path": ONE, "verify": True}], "verify must be full, quick or none, not True"),
        (
            "",
            [{"path": ONE, "restore_within": "soon"}],
            r"greenlight_databases.0..restore_within: 'soon' is no duration",
        ),
        ("", [{"path": ONE, "restore_loses_at_most": -1}], "must be a whole number of 0 or more, not -1"),
        ("", [{"path": ONE, "restore_loses_at_most": "5"}], "must be a whole number of 0 or more, not '5'"),
        ("", [{"path": ONE, "restore_loses_at_most": True}], "must be a whole number of 0 or more, not True"),
    ],
)
def test_a_database_that_cannot_be_meant_is_refused(single, several, message):
    with pytest.raises(databases.DatabasesError, match=message):
        databases.parse(single, several)
    with pytest.raises(AnsibleFilterError, match=message):
        listed(several, single)
