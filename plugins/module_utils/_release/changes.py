# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the changed paths of a release ask for: which commands run aside and at the switch, and what is restarted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

_KEYS = ("name", "paths", "run", "migrate", "restart")
_PM2_WORDS = re.compile(r"all|\d+|/.*/")


class ChangesError(GreenlightError):
    """A rule or a setting that cannot be meant as it is written."""


@dataclass(frozen=True)
class ChangeRule:
    """What to do when one of the paths changed. `restart` is None where the rule says nothing of restarts."""

    name: str
    paths: Tuple[str, ...]
    run: Tuple[str, ...]
    migrate: Tuple[str, ...]
    restart: Optional[Tuple[str, ...]]

    def matching(self, changed_paths: Sequence[str]) -> List[str]:
        return _matching(changed_paths, self.paths)


def _matching(changed_paths: Sequence[str], patterns: Sequence[str]) -> List[str]:
    return [path for path in changed_paths if any(fnmatchcase(path, pattern) for pattern in patterns)]


def parse_rules(rules: Any) -> List[ChangeRule]:
    """Return the rules. Raises ChangesError that names the rule by its index, and the key."""
    if not isinstance(rules, (list, tuple)):
        raise ChangesError(f"The rules must be a list of mappings, not {rules!r}")
    parsed = [_parse_rule(f"rule {index}", rule) for index, rule in enumerate(rules)]
    names = [rule.name for rule in parsed]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ChangesError(f"rule {index}: name {name!r} is that of rule {names.index(name)}; give another one")
    return parsed


def _parse_rule(where: str, rule: Any) -> ChangeRule:
    if not isinstance(rule, Mapping):
        raise ChangesError(f"{where} must be a mapping with {', '.join(_KEYS)}, not {rule!r}")
    for key in rule:
        if key not in _KEYS:
            raise ChangesError(f"{where}: {key} is no key of a rule; use {', '.join(_KEYS)}")
    name = rule.get("name")
    if not isinstance(name, str) or not name.strip():
        raise ChangesError(f"{where}: name must be a text, not {name!r}")
    paths = _texts(f"{where}: paths", rule.get("paths"))
    if not paths:
        raise ChangesError(f"{where}: paths must name at least one path or pattern, such as src/*")
    for path in paths:
        if path.startswith(("/", "./")) or ".." in path.split("/"):
            raise ChangesError(f"{where}: paths must be relative to the repository, such as src/*, not {path!r}")
    if not any(rule.get(key) for key in ("run", "migrate")) and "restart" not in rule:
        raise ChangesError(f"{where}: run, migrate or restart must say what the changed paths ask for")
    restart = _texts(f"{where}: restart", rule["restart"]) if "restart" in rule else None
    for process in restart or ():
        if _PM2_WORDS.fullmatch(process):
            raise ChangesError(f"{where}: restart must name PM2 processes, and {process!r} means others to PM2")
    run, migrate = (_texts(f"{where}: {key}", rule.get(key, [])) for key in ("run", "migrate"))
    return ChangeRule(name, paths, run, migrate, restart)


def _texts(where: str, value: Any) -> Tuple[str, ...]:
    """Return a list of texts. A text alone is refused: a shell would be needed to take it apart."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) and each for each in value):
        raise ChangesError(f"{where} must be a list of texts, not {value!r}")
    return tuple(value)


def plan_changes(
    changed_paths: Any,
    rules: Any,
    app: str,
    install_command: Any = (),
    install_when_changed: Any = (),
    build_command: Any = (),
    build_when_changed: Any = (),
    migrate_command: Any = (),
) -> Dict[str, Any]:
    """Return `{run, migrate, restart_app, restart, reasons}`.

    In patterns a star matches any text, slashes too. The commands are install, build, then those of the rules in
    their order, each once. Raises ChangesError.
    """
    paths, parsed = _texts("The changed paths", changed_paths), parse_rules(rules)
    commands = []
    for what, command, when in (
        ("install", install_command, install_when_changed),
        ("build", build_command, build_when_changed),
    ):
        found = _matching(paths, _texts(f"{what}_when_changed", when))
        commands.append((what, list(_texts(f"{what}_command", command)), found))
    matched = [(rule, found) for rule, found in ((rule, rule.matching(paths)) for rule in parsed) if found]
    always = list(_texts("migrate_command", migrate_command))
    migrate = _once([always, *(list(rule.migrate) for rule, _found in matched)])
    reason = _reason_to_restart(paths, matched, app, bool(always), bool(migrate))
    named = [name for rule, _found in matched for name in rule.restart or () if name != app]
    return {
        "run": _once([command for _what, command, found in commands if found] + [list(r.run) for r, _found in matched]),
        "migrate": migrate,
        "restart_app": bool(reason),
        "restart": list(dict.fromkeys(named)),
        "reasons": {
            **{what: found for what, command, found in commands if command and found},
            "rules": {rule.name: found for rule, found in matched},
            "restart_app": reason or "every changed path is covered by a rule that does not restart the app",
        },
    }


def _once(commands: Sequence[List[str]]) -> List[List[str]]:
    """Return the commands that are not empty, each once."""
    return [list(command) for command in dict.fromkeys(tuple(each) for each in commands if each)]


def _reason_to_restart(
    paths: Sequence[str], matched: Sequence[Tuple[ChangeRule, List[str]]], app: str, always: bool, migrates: bool
) -> str:
    """Return why the app must be restarted, empty when it need not be."""
    deciding = [(rule, found) for rule, found in matched if rule.restart is not None]
    covered = {path for _rule, found in deciding for path in found}
    naming = [rule.name for rule, _found in deciding if app in (rule.restart or ())]
    left = [path for path in paths if path not in covered]
    if not paths:
        return "it is not known which paths changed"
    if left:
        return f"no rule says what to restart for {', '.join(left[:3])}{' and others' if len(left) > 3 else ''}"
    if naming:
        return f"the rule {naming[0]} names it"
    if always:
        return "migrate_command runs at every release, and the app is stopped for it; a rule binds it to paths"
    return "a rule migrates, and the app is stopped for that" if migrates else ""
