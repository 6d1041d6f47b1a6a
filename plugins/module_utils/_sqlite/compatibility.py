# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether code that was written for one schema can work with another one.

It can where whatever it reads is still there, and whatever it writes is still accepted. So new tables, views and
indexes do no harm, nor do new columns that it need not fill.
"""

from __future__ import annotations

from typing import List, Mapping, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._sqlite.schema import Column, Schema, Table


def compatible_with_old(backup: Schema, live: Schema) -> List[str]:
    """Return why code for the schema of the backup cannot use the live one; [] when it can.

    A migration that changed only data shows in the ledger of the tool that made it. Where the schema changed as well,
    the ledger says nothing more.
    """
    reasons = [
        *(reason for name, table in sorted(backup.tables.items()) for reason in _of_table(name, table, live.tables)),
        *_of_others(backup, live),
    ]
    return reasons or (_of_ledgers(backup, live) if _same_but_ledgers(backup, live) else [])


def _of_table(name: str, old: Table, tables: Mapping[str, Table]) -> List[str]:
    if name not in tables:
        return [f"table {name} is gone"]
    new = tables[name]
    if old.sql or new.sql:
        return [] if old.sql == new.sql else [f"table {name} is another one"]
    return [*_of_columns(name, old, new), *_of_constraints(name, old, new)]


def _of_columns(name: str, old: Table, new: Table) -> List[str]:
    gone = [f"column {each} of table {name} is gone" for each in old.columns if each not in new.columns]
    changed = [
        f"column {each} of table {name} {why}"
        for each, column in new.columns.items()
        for why in (_of_column(old.columns[each], column) if each in old.columns else _of_new_column(column))
    ]
    strict = [f"table {name} is STRICT now"] if new.strict and not old.strict else []
    return [*gone, *changed, *strict]


def _of_new_column(column: Column) -> List[str]:
    if column.key:
        return ["is new in the primary key"]
    return ["is new and must be filled"] if column.not_null and column.default is None and not column.hidden else []


def _of_column(old: Column, new: Column) -> List[str]:
    must_be_filled = new.not_null and old.default is not None and new.default is None
    found = {
        f"has the type {new.affinity} and not {old.affinity}": old.affinity != new.affinity,
        "may not be NULL any more": new.not_null and not old.not_null,
        "has no default any more": must_be_filled and old.not_null,
        "has another place in the primary key": old.key != new.key,
        "cannot be written any more": bool(new.hidden) and not old.hidden,
    }
    return [why for why, is_so in found.items() if is_so]


def _of_constraints(name: str, old: Table, new: Table) -> List[str]:
    added = [each for each in new.unique if each not in old.unique and not _is_left_empty(each, old, new)]
    missing = [each for each in old.unique if each not in new.unique]
    references = [each for each in new.references if each not in old.references and set(each) <= set(old.columns)]
    checks = [each for each in new.checks if each not in old.checks and set(each) & set(old.columns)]
    return [
        *(f"{_listed(each)} of table {name} must be unique now" for each in added),
        *(f"{_listed(each)} of table {name} need not be unique any more" for each in missing),
        *(f"{_listed(each)} of table {name} must refer to a row now" for each in references),
        *(f"table {name} has a new CHECK ({' '.join(each)})" for each in checks),
    ]


def _is_left_empty(unique: Sequence[str], old: Table, new: Table) -> bool:
    """Say whether old code leaves a column of it NULL: such rows are never the same."""
    return any(each not in old.columns and each in new.columns and new.columns[each].default is None for each in unique)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(each or "an expression" for each in names)


def _of_others(backup: Schema, live: Schema) -> List[str]:
    """A new view harms nobody, and a new trigger only where it is run by what the old code writes."""
    changed = [
        f"{name} {'is another one' if name in live.others else 'is gone'}"
        for name, definition in sorted(backup.others.items())
        if live.others.get(name) != definition
    ]
    added = [
        f"{name} is new on {'' if on in backup.tables else 'view '}{on}"
        for name, (on, _sql) in sorted(live.others.items())
        if name not in backup.others and name.startswith("trigger ") and _is_known(on, backup)
    ]
    return [*changed, *added]


def _is_known(name: str, backup: Schema) -> bool:
    return name in backup.tables or f"view {name}" in backup.others


def _same_but_ledgers(backup: Schema, live: Schema) -> bool:
    return (backup.tables, backup.others) == (live.tables, live.others)


def _of_ledgers(backup: Schema, live: Schema) -> List[str]:
    found = {ledger: sorted({*made} - {*backup.ledgers.get(ledger, [])}) for ledger, made in live.ledgers.items()}
    if backup.user_version != live.user_version:
        found["user_version"] = [f"{live.user_version} and not {backup.user_version}"]
    return [f"a migration changed the data: {', '.join(new)} in {ledger}" for ledger, new in found.items() if new]
