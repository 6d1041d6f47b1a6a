# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule for good answers, inferred from those that an app gives while it is well, and how it judges later ones.

Apps say that they are well in many ways: a word, JSON with a status, a page, or nothing at all. What most of them mean
alike, such as a status "fail", is bad by itself; everything else must be as it was when the rule was inferred.
"""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, List, Mapping, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._health.body import header_of, parse_json, quote
from ansible_collections.greenlight.release.plugins.module_utils._health.probe import Answer
from ansible_collections.greenlight.release.plugins.module_utils._values import json_path
from ansible_collections.greenlight.release.plugins.module_utils._values.condition import to_text
from ansible_collections.greenlight.release.plugins.module_utils._values.json_path import JSONPathError

# It is kept in the release record: status (codes), kind, and values by path, with those of parts that the app needs, or
# the pattern of the text. With `strange`, where nobody knows what was answered before, a word about how the app is must
# be one that is known to be good.
Rule = Dict[str, Any]

_NAMES = ("status", "state", "health", "healthy", "ok", "success", "up", "alive", "live", "ready")
# Of the others a number is likely to count something, such as the seconds that an app is up.
_NAMES_OF_NUMBERS = ("status", "ok", "healthy", "success")
_AROUND = ("data", "result", "health", "response")
# What the draft of health+json, Spring Boot, Terminus and others say; "warn" is well with concerns.
_GOOD_WORDS = (
    "ok okay up pass passed passing warn warning healthy alive live ready running online operational available "
    "success successful good green true yes 200"
)
_BAD_WORDS = (
    "fail failed failing failure error errors ko down unhealthy critical fatal dead offline unavailable "
    "out_of_service outage red false no"
)
_GOOD, _BAD = frozenset(_GOOD_WORDS.split()), frozenset(_BAD_WORDS.split())
# A part that the app needs is named, or says with a word how it is. Other booleans, such as of a leader, may change.
_PARTS_TEXT = (
    "db database postgres postgresql mysql mariadb mongo mongodb sqlite redis queue broker rabbitmq kafka storage"
)
_PARTS = frozenset(_PARTS_TEXT.split())
_WELL = frozenset(("ok", "healthy", "up", "alive", "connected", "reachable", "success"))
_GOOD_PART = (_GOOD | {"connected", "reachable"}) - {"yes", "true", "200"}
_BAD_PART = (_BAD | {"disconnected", "unreachable", "not connected", "not reachable"}) - {"no", "false"}
_DEEPEST = 5
_BAD_TEXT = re.compile(
    r"(?i)[\W_]*(?:errors?|fail|failed|failure|exception|fatal|down|unhealthy|unavailable|ko"
    r"|not (?:ok|ready|healthy))\b"
    r"(?!.{0,12}\b(?:0|none)\b)"
)
_BAD_TITLE = re.compile(
    r"(?i)<title[^>]*>\s*(?:[45]\d\d\b|error\b|(?:application|internal server|server) error|bad gateway"
    r"|service (?:temporarily )?unavailable|not found)"
)
_LONGEST_TEXT = 200


def problem_by(rule: Mapping[str, Any], answer: Answer) -> str:
    """Return why an answer is not a good one, "" when it is. By an empty rule it only must not be bad by itself."""
    return _status_problem(rule, answer) or _bad_by_itself(answer) or (_other_than_before(rule, answer) if rule else "")


def _status_problem(rule: Mapping[str, Any], answer: Answer) -> str:
    codes = rule.get("status")
    if codes:
        return "" if answer.status in codes else f"status {answer.status}, and it was {' or '.join(map(str, codes))}"
    if 300 <= answer.status < 400:
        return f"status {answer.status}, a redirect, which follow_redirects follows"
    return "" if 200 <= answer.status < 300 else f"status {answer.status}"


def infer(answers: Sequence[Answer]) -> Rule:
    """Return the rule by which all of these answers are good, of which none is bad by itself."""
    kinds = {_kind_of(each) for each in answers}
    rule: Rule = {"status": sorted({each.status for each in answers}), "kind": kinds.pop() if len(kinds) == 1 else ""}
    if rule["kind"] == "json":
        documents = [parse_json(each) for each in answers]
        rule["values"] = _common_values([dict(_verdicts(each)) for each in documents])
        parts = [dict(_good_parts(each)) for each in documents]
        well = {path: said for path, said in parts[0].items() if all(path in each for each in parts)}
        rule.update({"parts": well} if well.keys() - rule["values"].keys() else {})
    if rule["kind"] == "text":
        rule["pattern"] = _common_pattern([each.body.strip() for each in answers])
    return rule


def describe(rule: Mapping[str, Any]) -> str:
    """Return a rule in words."""
    codes = " or ".join(map(str, rule.get("status") or ["200 to 299"]))
    values = [f"{path} is {' or '.join(map(repr, known))}" for path, known in rule.get("values", {}).items()]
    said = {
        "json": f"JSON in which {' and '.join(values)}" if values else "JSON without an error",
        "text": f"a text like {rule.get('pattern')!r}" if rule.get("pattern") else "a text that names no error",
        "html": "a page that is not one of an error",
        "empty": "no body",
    }
    return f"status {codes} and {said[rule['kind']]}" if rule["kind"] in said else f"status {codes}"


def _kind_of(answer: Answer) -> str:
    body, content_type = answer.body.strip(), header_of(answer, "content-type").lower()
    if not body:
        return "empty"
    if "json" in content_type or body[0] in "{[":
        return "json" if isinstance(_document(answer), (dict, list)) else "text"
    return "html" if "html" in content_type or body.startswith("<") else "text"


def _document(answer: Answer) -> Any:
    try:
        return parse_json(answer)
    except JSONPathError:
        return None


def _verdicts(document: Any) -> List[Tuple[str, Any]]:
    """Return what a document says about how the app is, by path."""
    found = []
    for name, value in document.items() if isinstance(document, dict) else ():
        inner = value.items() if name.lower() in _AROUND and isinstance(value, dict) else ()
        said = [(name, name, value), *((f"{name}.{key}", key, each) for key, each in inner)]
        found += [
            (path, each) for path, key, each in said if _is_verdict(key.lower(), each) and json_path.is_path(path)
        ]
    return found


def _is_verdict(name: str, value: Any) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return name in _NAMES_OF_NUMBERS
    return name in _NAMES and isinstance(value, (str, bool))


def _good_parts(value: Any, path: str = "", depth: int = 0) -> Iterator[Tuple[str, Any]]:
    """Yield what a document says of the parts that the app needs and that are well, by path."""
    for name, each in value.items() if isinstance(value, dict) and depth < _DEEPEST else ():
        inner = f"{path}.{name}" if path else name
        is_well = each is True and name.lower() in _PARTS | _WELL
        if (is_well or (isinstance(each, str) and _plain(each) in _GOOD_PART)) and json_path.is_path(inner):
            yield inner, each
        yield from _good_parts(each, inner, depth + 1)


def _common_values(said: Sequence[Mapping[str, Any]]) -> Dict[str, List[Any]]:
    """Return the values of each path that all answers have, without texts that are no word."""
    common: Dict[str, List[Any]] = {}
    for path in said[0]:
        values = [each[path] for each in said if path in each]
        if len(values) == len(said) and all(not isinstance(each, str) or _is_word(each) for each in values):
            common[path] = [value for index, value in enumerate(values) if not _is_among(value, values[:index])]
    return common


def _is_word(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z_ -]{0,30}", text) is not None


def _is_among(value: Any, known: Sequence[Any]) -> bool:
    return any(json_path.is_equal(_plain(value), _plain(each)) for each in known)


def _plain(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _common_pattern(texts: Sequence[str]) -> str:
    """Return a pattern that all of these texts have; words with a digit, such as a version, may be others."""
    split = [text.split() for text in texts]
    if any(len(words) != len(split[0]) for words in split) or max(map(len, texts)) > _LONGEST_TEXT:
        return ""
    same = [words[0] if len(set(words)) == 1 else "" for words in zip(*split)]
    parts = [re.escape(word) if word and not re.search(r"\d", word) else r"\S+" for word in same]
    return r"\s+".join(parts)


def _bad_by_itself(answer: Answer) -> str:
    """Return why an answer is one of an app that is ill, whatever it answered before."""
    kind, body = _kind_of(answer), answer.body
    if kind == "html" and _BAD_TITLE.search(body):
        return f"the page is one of an error: {quote(body)}"
    if kind == "text":
        return _bad_text(answer)
    if kind == "json":
        return _bad_document(parse_json(answer), body)
    return ""


def _bad_text(answer: Answer) -> str:
    if "json" in header_of(answer, "content-type").lower() or answer.body.strip()[0] in "{[":
        try:
            parse_json(answer)
        except JSONPathError as error:
            return str(error)
    bad = _BAD_TEXT.match(answer.body.strip()) or _plain(answer.body).strip('"') in _BAD
    return f"the body is {quote(answer.body)}" if bad else ""


def _bad_document(document: Any, body: str) -> str:
    said = _verdicts(document)
    for path, value in said:
        if _is_bad(value):
            return f"{path} is {quote(to_text(value))}"
    if not said and isinstance(document, dict) and (document.get("error") or document.get("errors")):
        return f"it names an error: {quote(body)}"
    return ""


def _is_bad(value: Any) -> bool:
    if isinstance(value, str):
        return _plain(value) in _BAD
    return value is False or (not isinstance(value, bool) and 400 <= value < 600)


def _other_than_before(rule: Mapping[str, Any], answer: Answer) -> str:
    """Return why an answer is not like those that the rule was inferred from. Where there was no body, one may be."""
    kind, before, pattern = _kind_of(answer), rule["kind"], rule.get("pattern")
    if rule.get("strange") and kind == "json":
        return _strange_words(parse_json(answer))
    if before in ("json", "text", "html") and kind != before:
        return f"the answer is {_NAMED[kind]} {quote(answer.body)}, and it was {_NAMED[before]}"
    if before == "json":
        document = parse_json(answer)
        return _other_values(rule["values"], document) or _bad_parts(rule.get("parts", {}), document)
    if pattern and not re.fullmatch(pattern, answer.body.strip()):
        return f"the body is {quote(answer.body)}, and it was like {pattern!r}"
    return ""


def _strange_words(document: Any) -> str:
    for path, value in _verdicts(document):
        if isinstance(value, str) and _is_word(value) and _plain(value) not in _GOOD:
            return f"{path} is {quote(value)}, and no good answer of the old revision is known to compare it with"
    return ""


_NAMED = {"json": "JSON", "text": "the text", "html": "a page", "empty": "empty"}


def _bad_parts(before: Mapping[str, Any], document: Any) -> str:
    """Return which part was well and is ill now; one that is not named any more may be gone for good."""
    for path, was in before.items():
        try:
            value = json_path.value_at(document, path)
        except JSONPathError:
            continue
        if value is False or (isinstance(value, str) and _plain(value) in _BAD_PART):
            return f"{path} is {quote(to_text(value))}, and it was {was!r}"
    return ""


def _other_values(before: Mapping[str, Sequence[Any]], document: Any) -> str:
    for path, known in before.items():
        was = f"and it was {' or '.join(map(repr, known))}"
        try:
            value = json_path.value_at(document, path)
        except JSONPathError:
            return f"there is no {path}, {was}"
        if not _is_among(value, known) and not (isinstance(value, str) and _plain(value) in _GOOD):
            return f"{path} is {quote(to_text(value))}, {was}"
    return ""
