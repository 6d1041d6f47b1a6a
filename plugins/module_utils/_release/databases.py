# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The databases of a release, none, one or several: as the variables name them, and as the record knows them."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release.plan import DATABASE
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import DurationError, parse_duration
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_KEYS = ("path", "rollback", "restore_within", "restore_loses_at_most", "verify", "backup_path")
_VERIFY = ("full", "quick", "none")
# What the record of an earlier version had as facts of their own, of its one database.
_SINGLE = {"path": "database_path", "backup": "backup", "schema": "schema", "restored": "restored"}


class DatabasesError(GreenlightError):
    """A database that cannot be meant as it is written."""


def of_facts(facts: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return what a record knows of each database: `path`, and where known `backup`, `schema` and `restored`."""
    if "databases" in facts:
        return [dict(each) for each in facts["databases"]]
    single = {name: facts[fact] for name, fact in _SINGLE.items() if facts.get(fact)}
    return [single] if single else []


def paths_of(facts: Mapping[str, Any]) -> List[str]:
    return [each["path"] for each in of_facts(facts) if "path" in each]


def parse(single: str, several: Sequence[Any]) -> List[Dict[str, Any]]:
    """Return each database as a mapping, with the keys that were given. Raises DatabasesError.

    `single` is the path of the only one, "" for none, `several` are paths or mappings.
    """
    if single and several:
        raise DatabasesError("greenlight_database_path and greenlight_databases are both set; leave one of them out")
    found = [_read(each, number) for number, each in enumerate(several)] or ([{"path": single}] if single else [])
    real = [os.path.realpath(each["path"]) for each in found]
    twice = [each["path"] for number, each in enumerate(found) if real[number] in real[:number]]
    if twice:
        raise DatabasesError(f"greenlight_databases has {twice[0]} twice; name each database once")
    return found


def _read(given: Any, number: int) -> Dict[str, Any]:
    where = f"greenlight_databases[{number}]"
    known = {"path": given} if isinstance(given, str) else given
    if not isinstance(known, Mapping) or not isinstance(known.get("path"), str):
        raise DatabasesError(f"{where} must be a path, or a mapping with a path, and not {given!r}")
    unknown = [name for name in known if name not in _KEYS]
    if unknown:
        raise DatabasesError(f"{where} has the key {unknown[0]!r}, which is not known; use {', '.join(_KEYS)}")
    _refuse_values({"rollback": "auto", "verify": "quick", **known}, where)
    return dict(known)


def _refuse_values(known: Mapping[str, Any], where: str) -> None:
    for name in ("path", "backup_path"):
        if not os.path.isabs(str(known.get(name, "/"))):
            raise DatabasesError(f"{where}.{name} must be an absolute path, not {known[name]!r}")
    for name, words in (("rollback", DATABASE), ("verify", _VERIFY)):
        if known[name] not in words:
            raise DatabasesError(f"{where}.{name} must be {', '.join(words[:-1])} or {words[-1]}, not {known[name]!r}")
    try:
        parse_duration(known.get("restore_within", "0s"))
    except DurationError as error:
        raise DatabasesError(f"{where}.restore_within: {error}") from error
    most = known.get("restore_loses_at_most", 0)
    if isinstance(most, bool) or not isinstance(most, int) or most < 0:
        raise DatabasesError(f"{where}.restore_loses_at_most must be a whole number of 0 or more, not {most!r}")
