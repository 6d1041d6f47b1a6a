# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.greenlight.release.plugins.module_utils._switch.progress import SwitchError
from switch_fakes import make_inputs, open_release

FOLDER = Path("/srv/shop")
ONE, TWO = "/srv/a/shop.db", "/srv/b/shop.db"


def test_each_database_has_its_own_backup_policy_and_names_for_new_files(tmp_path):
    known = [{"path": ONE, "rollback": "keep", "verify": "full"}, {"path": TWO, "restore_within": "1h"}]
    open_release(tmp_path, FOLDER, databases=known)
    own = [{"path": TWO, "rollback": "restore", "restore_loses_at_most": 7}]
    one, two = make_inputs(tmp_path, backups=["/b/1", "/b/2"], databases=own).databases
    assert ([one.backup, two.backup], one.token == two.token) == (["/b/1", "/b/2"], False)
    # The variables of this run go before what the record has of those of the release.
    assert (one.restore, one.verify, one.bounds.within, one.bounds.rows) == ("keep", "full", 600, 0)
    assert (two.restore, two.verify, two.bounds.within, two.bounds.rows) == ("restore", "quick", 600, 7)
    assert two.fact == {"path": TWO, "restore_within": "1h", "backup": "/b/2"}
    by_record = make_inputs(tmp_path, backups=["/b/1", "/b/2"]).databases[1]
    assert (by_record.restore, by_record.bounds.within) == ("auto", 3600)


@pytest.mark.parametrize(
    "given, message",
    [
        ({"backups": ["/b/1"]}, "backups must name one of each of 2 databases, not 1"),
        ({"databases": [{"path": ONE, "policy": "keep"}]}, "greenlight_databases.0. has the key 'policy'"),
    ],
)
def test_options_that_do_not_fit_the_databases_of_the_release_are_refused(tmp_path, given, message):
    open_release(tmp_path, FOLDER, databases=[{"path": ONE}, {"path": TWO}])
    with pytest.raises(SwitchError, match=message):
        make_inputs(tmp_path, **{"backups": [], **given})


def test_the_record_of_an_earlier_version_is_of_one_database(tmp_path):
    noted = open_release(tmp_path, FOLDER, "rolling_back")
    facts = {"database_path": ONE, "backup": "/b/1.pages", "schema": ["5" * 64, 1], "restored": {"restored": True}}
    known = {name: value for name, value in noted["facts"].items() if name != "databases"}
    planned = {**noted, "facts": {**known, **facts}}
    given = {"direction": "back", "record": planned, "database": "restore"}
    (read,) = make_inputs(tmp_path, is_rehearsal=True, **given).databases
    assert (read.path, read.backup, read.schema, read.restore) == (ONE, "/b/1.pages", ("5" * 64, 1), "auto")


@pytest.mark.parametrize("rehearse, rehearses", [("never", False), ("auto", False), ("always", True)])
def test_without_a_database_a_migration_is_tried_on_a_copy_only_where_that_is_demanded(tmp_path, rehearse, rehearses):
    open_release(tmp_path, FOLDER, databases=[])
    read = make_inputs(tmp_path, backups=[], migrate=[["true"]], rehearse=rehearse)
    assert (read.databases, read.plan.databases, read.plan.rehearses) == ((), 0, rehearses)
