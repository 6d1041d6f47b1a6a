# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that migrate the database: tried on a copy while the app serves, then run when it is stopped.

A migration that fails, or takes too long, is found out on the copy, and costs no user an answer.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, Hashable, Iterator, List, Mapping, Optional, Sequence, Set, TypeVar

from ansible_collections.greenlight.release.plugins.module_utils._code import layout
from ansible_collections.greenlight.release.plugins.module_utils._code.move import lies_free
from ansible_collections.greenlight.release.plugins.module_utils._host import commands
from ansible_collections.greenlight.release.plugins.module_utils._host.commands import CommandError
from ansible_collections.greenlight.release.plugins.module_utils._pm2 import api as pm2
from ansible_collections.greenlight.release.plugins.module_utils._release import kept_output
from ansible_collections.greenlight.release.plugins.module_utils._sqlite import api as sqlite_api
from ansible_collections.greenlight.release.plugins.module_utils._switch import leftovers, trial, variables
from ansible_collections.greenlight.release.plugins.module_utils._switch.inputs import Inputs
from ansible_collections.greenlight.release.plugins.module_utils._values import redaction

Key = TypeVar("Key", bound=Hashable)

# A path as it stands in a variable: alone, or in a URL such as file:/srv/shop.db?mode=rwc or sqlite:///srv/shop.db.
_LOCATION = re.compile(r"(?P<scheme>(?:(?:file|libsql|sqlite3?):(?://)?)?)(?P<path>/[^?#]*)(?P<rest>(?:[?#].*)?)")
# The copy, what the migration writes next to it, and what the app's log and users need meanwhile.
_TIMES_THE_SIZE, _SPARE = 3, 64 << 20
# Not what is only read, nor what PM2 reads: the variables of the app come from there.
_CODE = (".", ":!*.md", ":!*ecosystem*", ":!*pm2*.json")


@dataclass(frozen=True)
class MigrationCopy:
    """Where a copy of each database is made, in their order, and the variables and commands that lead to them.

    `led_by` says of each what leads to its copy: a variable of the app, a command alone, or its place in the new tree.
    """

    paths: Sequence[Path]
    variables: Mapping[str, str]
    commands: Sequence[Sequence[str]]
    led_by: Sequence[str] = ()


@dataclass(frozen=True)
class Tried:
    """How the revisions were tried on a copy: `reason` says why the new one was not, empty where it was.

    `old_code` says why the old one did not serve with the migrated copy: empty where it did, None where nobody knows.
    """

    reason: str = ""
    old_code: Optional[str] = None


class _CannotRehearse(Exception):
    """The commands cannot be led to a copy; the message says why."""


def environment_of(inputs: Inputs, before: pm2.State) -> Dict[str, str]:
    """Return the variables of the commands: those of this run, and over them those that the app runs with.

    They are those that it is to run with where an ecosystem file says so.
    """
    own, folders = inputs.system.environment, variables.settings_folders(layout.root_of(inputs.move), inputs.subfolder)
    found = variables.of_the_app(before.processes, inputs.processes.app, own, folders, inputs.move.to_sha)
    gone = inputs.gone.get(inputs.processes.app, frozenset())
    described = {key: value for key, value in (inputs.wanted.env if inputs.wanted else {}).items() if key != "PATH"}
    return {**{key: value for key, value in found.items() if key not in gone}, **described}


def migrate(inputs: Inputs, before: pm2.State) -> List[str]:
    """Run the commands in the tree of the new revision, and return what to warn of. Raises CommandError."""
    return _run(inputs, inputs.migrate, layout.root_of(inputs.move), environment_of(inputs, before))


def rehearse(inputs: Inputs, before: pm2.State) -> str:
    """Run the commands in the staged tree and on a copy; return why that cannot be done, empty when it was done.

    Raises CommandError where they fail, and where a rehearsal is demanded and cannot be made.
    """
    try:
        with _made_copy(inputs, before) as copy:
            _run_on(copy, inputs, {**environment_of(inputs, before), **copy.variables})
    except _CannotRehearse as reason:
        if inputs.rehearse == "always":
            raise CommandError(f"The migration cannot be tried on a copy of the database: {reason}") from reason
        return str(reason)
    return ""


def try_out(inputs: Inputs, before: pm2.State) -> Tried:
    """Start the new revision beside the old one on a copy, migrated, and after a migration the old one as well.

    Raises CommandError where the migration fails, or the new revision does not serve.
    """
    environment = environment_of(inputs, before)
    try:
        if inputs.migrate and (inputs.rehearse == "never" or not inputs.databases):
            raise trial.CannotTryError("its migration is not tried on a copy of the database")
        planned = trial.plan(inputs, before, environment)
        with _made_copy(inputs, before) as copy:
            led = {**environment, **copy.variables}
            _refuse_own_databases(inputs, copy)
            if inputs.migrate:
                _run_on(copy, inputs, led)
            trial.run(inputs, planned, led)
            # An old revision that is not led to each copy would open a database itself.
            has_changed = bool(inputs.migrate) and set(copy.led_by) == {"variable"}
            is_same = environment == environment_of(replace(inputs, wanted=None, gone={}), before)
            # With other variables than it is rolled back to, it would prove nothing.
            return Tried("", _try_old(inputs, before, led) if has_changed and is_same else None)
    except (_CannotRehearse, trial.CannotTryError) as reason:
        return Tried(str(reason))


def _refuse_own_databases(inputs: Inputs, copy: MigrationCopy) -> None:
    """Raise CannotTryError where the new revision would open a database itself, and not its copy."""
    for database, how in zip(inputs.databases, copy.led_by):
        if how == "command":
            raise trial.CannotTryError(f"no variable of the app holds {database.path}")


def _try_old(inputs: Inputs, before: pm2.State, led: Mapping[str, str]) -> Optional[str]:
    """Return why the old revision does not serve with the migrated copy, None where that cannot be tried."""
    try:
        planned = trial.plan(inputs, before, led, layout.root_of(inputs.move))
        trial.run(inputs, planned, led, "The old revision was tried")
    except trial.CannotTryError:
        return None
    except CommandError as error:
        return str(error)
    return ""


def _run_on(copy: MigrationCopy, inputs: Inputs, environment: Mapping[str, str]) -> None:
    cookies = _schema_cookies(inputs)
    try:
        # What cannot be kept of a rehearsal is said after the migration, of which the same is true.
        _run(inputs, copy.commands, layout.stage_path(inputs.git, inputs.move), environment)
    except CommandError as error:
        raise CommandError(f"The migration failed on a copy of the database: {error}") from error
    changed = [path for path, cookie in _schema_cookies(inputs).items() if cookie != cookies[path]]
    if changed:
        raise CommandError(
            f"The schema of {changed[0]} changed while the migration was tried on a copy; make the commands take the "
            "path of the database from a variable of the app, or set greenlight_rehearse_migration to never"
        )


def _schema_cookies(inputs: Inputs) -> Dict[str, int]:
    return {each.path: sqlite_api.schema_cookie(Path(each.path), each.timeout) for each in inputs.databases}


def _run(inputs: Inputs, migration: Sequence[Sequence[str]], folder: Path, environment: Mapping[str, str]) -> List[str]:
    log = kept_output.file_of(inputs.state_path, inputs.record["id"])
    keeper = kept_output.Keeper(log, variables.hiding(environment))
    marked = leftovers.marked(environment, inputs.record["id"])
    for words in migration:
        keep = keeper.keeping(redaction.show(" ".join(words)))
        commands.run(words, folder / inputs.subfolder, marked, inputs.migrate_timeout, keep)
    return keeper.problems


@contextlib.contextmanager
def _made_copy(inputs: Inputs, before: pm2.State) -> Iterator[MigrationCopy]:
    copy = plan_copy(inputs, before)
    _remove(copy)
    try:
        for database, path in zip(inputs.databases, copy.paths):
            sqlite_api.unpack(database.backup, path, database.timeout)
        yield copy
    finally:
        _remove(copy)


def _remove(copy: MigrationCopy) -> None:
    for path in copy.paths:
        sqlite_api.remove_with_sidecars(path)


def plan_copy(inputs: Inputs, before: pm2.State) -> MigrationCopy:
    """Return where the copies go. Raises _CannotRehearse."""
    staged = layout.stage_path(inputs.git, inputs.move)
    if not staged.is_dir():
        raise _CannotRehearse(f"there is no new tree in {staged}")
    if inputs.migrate and not inputs.databases:
        raise _CannotRehearse("neither greenlight_database_path nor greenlight_databases names one")
    given_by_app = environment_of(inputs, before)
    variables, given = given_by_app, [list(words) for words in inputs.migrate]
    lives = [sqlite_api.resolve(Path(each.path)) for each in inputs.databases]
    places, led_by = [], []
    for number, (database, live) in enumerate(zip(inputs.databases, lives)):
        places.append(Path(database.backup).with_name(f".rehearsal-{inputs.record['id']}{number or ''}.db"))
        led = lead_to(variables, live, places[number])
        words = [list(lead_to(dict(enumerate(each)), live, places[number]).values()) for each in given]
        led_by.append("variable" if led != variables else "command" if words != given else "place")
        variables, given = led, words
    _refuse_literal_paths(inputs, given, {*map(str, lives), *(each.path for each in inputs.databases)})
    for number, how in enumerate(led_by):
        if how == "place":
            places[number] = _place_in(staged, layout.root_of(inputs.move), lives[number])
    _refuse_lack_of_room(places, lives)
    changed = {name: value for name, value in variables.items() if value != given_by_app[name]}
    return MigrationCopy(places, changed, given, led_by)


def _refuse_lack_of_room(places: Sequence[Path], lives: Sequence[Path]) -> None:
    """Raise _CannotRehearse where the copies do not fit on a file system together."""
    needed: Dict[int, int] = {}
    for place, live in zip(places, lives):
        device = place.parent.stat().st_dev
        needed[device] = needed.get(device, _SPARE) + _TIMES_THE_SIZE * live.stat().st_size
        free = os.statvfs(str(place.parent))
        if free.f_bavail * free.f_frsize < needed[device]:
            raise _CannotRehearse(f"there is no room for a copy in {place.parent}")


def lead_to(texts: Mapping[Key, str], live: Path, copy: Path) -> Dict[Key, str]:
    """Return the texts; what is the path of the database, alone or in a URL, is that of the copy instead."""
    led = {}
    for key, text in texts.items():
        found = _LOCATION.fullmatch(text)
        is_live = found and sqlite_api.resolve(Path(found["path"])) == live
        led[key] = f"{found['scheme']}{copy}{found['rest']}" if found and is_live else text
    return led


def _refuse_literal_paths(inputs: Inputs, given: Sequence[Sequence[str]], paths: Set[str]) -> None:
    """Raise _CannotRehearse where a command or the code names the database: it would migrate that, and not the copy."""
    for path in sorted(paths):
        if any(path in word for words in given for word in words):
            raise _CannotRehearse(f"a command has {path} in the middle of a word")
        found = inputs.git(["grep", "-lF", "-e", path, inputs.move.to_sha, "--", *_CODE])
        if found.code == 0:
            name = found.output.splitlines()[0].partition(":")[2]
            raise _CannotRehearse(f"{name} of the new revision names {path}; take it from a variable of the app")


def _place_in(staged: Path, root: Path, live: Path) -> Path:
    """Return the place in the new tree that the database has in the running one. Raises _CannotRehearse."""
    running = sqlite_api.resolve(root)
    if running not in live.parents:
        raise _CannotRehearse(f"no variable of the app holds {live}, and it does not lie in {root}")
    name = str(live.relative_to(running))
    for settings in (staged / ".env", (staged / name).parent / ".env"):
        if settings.is_file() and str(live) in settings.read_text(encoding="utf-8", errors="replace"):
            raise _CannotRehearse(f"{settings} leads to {live} itself")
    if not lies_free(staged, name) or os.path.lexists(str(staged / name)):
        raise _CannotRehearse(f"{staged / name} leads elsewhere or is there already")
    (staged / name).parent.mkdir(parents=True, exist_ok=True)
    return staged / name
