# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that a line must contain for a regular expression to match it.

Searching for a text is a hundred times faster than matching an expression, so nearly all of a log is skipped by
these. Where there is none, every line is matched.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, FrozenSet, List, Optional, Sequence

# The parser of re: its name since Python 3.11, and the one before.
PARSERS = ("re._parser", "sre_parse")

Literals = Optional[FrozenSet[str]]


def load_parser(names: Sequence[str] = PARSERS) -> Any:
    """Return the parser of the standard library, None where it has moved again: it is no public interface."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def literals_of(pattern: str, parser: Any) -> Literals:
    """Return texts of which every match contains at least one, None when there are no such texts."""
    if parser is None or re.compile(pattern).flags & re.IGNORECASE:
        return None
    return _best(_options(parser.parse(pattern)))


def can_span_lines(pattern: str, parser: Any) -> bool:
    """Say whether an expression may be searched in many lines at once, to learn whether any of them matches.

    It must find in all lines together what it finds in one of them alone, and not run on through them: it begins with a
    literal text, has no anchor, no look-around, and repeats nothing that goes beyond the end of a line but
    white space.
    """
    if parser is None or re.compile(pattern).flags & (re.IGNORECASE | re.DOTALL):
        return False
    parts = [part for part in _flatten(parser.parse(pattern)) if str(part[0]) != "AT"]
    return bool(parts) and str(parts[0][0]) == "LITERAL" and _is_local(parser.parse(pattern))


def _is_local(sequence: Any, repeated: bool = False) -> bool:
    for operator, argument in _flatten(sequence):
        name = str(operator)
        if name == "AT":
            local = str(argument) in ("AT_BOUNDARY", "AT_NON_BOUNDARY")
        elif name == "BRANCH":
            local = all(_is_local(alternative, repeated) for alternative in argument[1])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            local = not repeated and _is_local(argument[2], repeated=True)
        elif name == "IN":
            local = not repeated or all(_is_within_line(*item) for item in argument)
        else:
            local = name in ("LITERAL", "ANY") or (name == "NOT_LITERAL" and not repeated)
        if not local:
            return False
    return True


def _is_within_line(operator: Any, argument: Any) -> bool:
    """Say whether a part of a set of characters has no end of a line in it, or is all white space."""
    if str(operator) == "RANGE":
        return not argument[0] <= ord("\n") <= argument[1]
    return str(operator) == "LITERAL" or str(argument) in ("CATEGORY_SPACE", "CATEGORY_DIGIT", "CATEGORY_WORD")


def split_alternatives(pattern: str) -> List[str]:
    """Return the alternatives at the top of an expression, so that each can be searched by itself.

    An expression with groups that have names, numbers or flags is left whole: its parts could mean something else.
    """
    if re.search(r"\(\?(?!:)|\\[1-9]", pattern):
        return [pattern]
    parts: List[str] = []
    depth, begin, at, class_begins = 0, 0, 0, -1
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            at += 1
        elif class_begins >= 0:
            # A bracket right behind the opening one is an ordinary character.
            class_begins = -1 if character == "]" and at > class_begins else class_begins
        elif character == "[":
            class_begins = at + (2 if pattern.startswith("^", at + 1) else 1)
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "|" and not depth:
            parts.append(pattern[begin:at])
            begin = at + 1
        at += 1
    return [*parts, pattern[begin:]]


def _options(sequence: Any) -> List[FrozenSet[str]]:
    """Return the sets of texts that the parts of a sequence ask for, any one of which is enough."""
    found: List[FrozenSet[str]] = []
    run = ""
    for operator, argument in _flatten(sequence):
        name = str(operator)
        if name == "LITERAL":
            run += chr(argument)
            continue
        if name == "AT":
            continue
        found, run = [*found, frozenset({run})] if run else found, ""
        if name == "BRANCH":
            alternatives = [_best(_options(alternative)) for alternative in argument[1]]
            known = [literals for literals in alternatives if literals is not None]
            if len(known) == len(alternatives):
                found.append(frozenset().union(*known))
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT") and argument[0] > 0:
            inner = _best(_options(argument[2]))
            found += [inner] if inner else []
    return [*found, frozenset({run})] if run else found


def _flatten(sequence: Any) -> Any:
    """Yield the parts of a sequence, those of its groups among them, unless a group changes the flags."""
    for operator, argument in sequence:
        if str(operator) == "SUBPATTERN" and not argument[1] and not argument[2]:
            yield from _flatten(argument[3])
        else:
            yield operator, argument


def _best(options: Sequence[FrozenSet[str]]) -> Literals:
    """Return the set that will be found least often: not too short, then few, then long."""
    return max(
        options,
        key=lambda literals: (min(map(len, literals)) > 2, -len(literals), min(map(len, literals))),
        default=None,
    )
