# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lines of a log say of the rules, counted chunk by chunk."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

from ansible_collections.greenlight.release.plugins.module_utils._logs.entry import entry_at
from ansible_collections.greenlight.release.plugins.module_utils._logs.kinds import kind_of
from ansible_collections.greenlight.release.plugins.module_utils._logs.match import Chunk
from ansible_collections.greenlight.release.plugins.module_utils._logs.rules import Rate, Rule, Rules
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import MOST_BLOCKS, regroup
from ansible_collections.greenlight.release.plugins.module_utils._values.redaction import show
from ansible_collections.greenlight.release.plugins.module_utils._values.statistics import wilson_interval

# More kinds of errors than this are a flood, and would fill the release record. The rarest are left out.
MOST_KINDS = 500
_KINDS_AT_ONCE = 4 * MOST_KINDS


@dataclass
class Tally:
    """What was found so far for one rule: the number of lines, and the first and the last as they were written.

    `known` is the number of lines of known kinds, whether they count or not.
    """

    count: int = 0
    known: int = 0
    first: str = ""
    last: str = ""

    def note(self, line: str) -> None:
        self.first = line if self.count == 0 else self.first
        self.last = line
        self.count += 1


class Blocks:
    """Events among lines, in blocks of about the same size in the order of the log; they grow with it.

    Failures come in bunches, and how large these are shows only where a log is cut into blocks.
    """

    _FIRST_SIZE = 1 << 12

    def __init__(self) -> None:
        self.counted: List[Tuple[int, int]] = []
        self._size = self._FIRST_SIZE
        self._least = 1

    @property
    def total(self) -> int:
        return sum(total for _events, total in self.counted)

    def cut(self, data: bytes) -> Iterator[bytes]:
        """Return a chunk in pieces of whole lines, each for one block."""
        begin = 0
        while begin < len(data):
            end = data.find(b"\n", begin + self._size) + 1 or len(data)
            yield data[begin:end] if end - begin < len(data) else data
            begin = end

    def add(self, events: int, total: int) -> None:
        if self.counted and self.counted[-1][1] < self._least:
            last = self.counted.pop()
            events, total = last[0] + events, last[1] + total
        self.counted.append((events, total))
        if len(self.counted) > 2 * MOST_BLOCKS:
            pairs = zip(self.counted[::2], [*self.counted[1::2], (0, 0)])
            self.counted = [(one[0] + two[0], one[1] + two[1]) for one, two in pairs]
            self._size, self._least = 2 * self._size, self.total // len(self.counted)


@dataclass
class Scan:
    """Counts lines by rules, chunk by chunk, as a log grows. `looking_for` is the pattern that is matched now."""

    rules: Rules
    known_kinds: Mapping[str, Sequence[str]]
    looking_for: str = ""
    tallies: Dict[str, Tally] = field(default_factory=dict)
    rates: Dict[str, Blocks] = field(default_factory=dict)
    kinds: Dict[str, Dict[str, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tallies = {rule.name: Tally() for rule in self._all()}
        self.rates = {rate.name: Blocks() for rate in self.rules.rates}
        self.kinds = {rule.name: {} for rule in self.rules.forbid}

    def _all(self) -> List[Rule]:
        return [*self.rules.require, *self.rules.count, *self.rules.forbid]

    def add(self, stream: str, chunks: Iterable[bytes]) -> None:
        """Count the lines of a log; `stream` is out, err, or "" for a log of both."""
        for data in chunks:
            chunk = Chunk(data)
            for rule in self._all():
                if rule.applies_to(stream):
                    self._add_lines(rule, chunk)
            for rate in self.rules.rates:
                self._add_rate(rate, data)

    def _add_lines(self, rule: Rule, chunk: Chunk) -> None:
        self.looking_for = rule.matcher.shown
        if rule.name in self.kinds:
            for line, kind in self._forbidden(rule, chunk):
                if self._is_new(rule, kind):
                    self.tallies[rule.name].note(line)
            return
        for start in rule.matcher.find(chunk):
            self.tallies[rule.name].note(chunk.line_at(start))

    def _forbidden(self, rule: Rule, chunk: Chunk) -> Iterator[Tuple[str, str]]:
        """Yield each line that a rule forbids, with its kind; of an entry of several lines the first one."""
        by_entries, last = self.rules.reads_entries(rule), -1
        for start in rule.matcher.find(chunk):
            if not by_entries:
                line = chunk.line_at(start)
                if not self._is_ignored(line):
                    yield line, kind_of(line)
                continue
            entry = entry_at(chunk, start)
            if entry.start > last and rule.holds(entry) and not self._is_ignored(entry.text):
                yield entry.text, entry.kind()
            last = max(last, entry.start)

    def _is_ignored(self, line: str) -> bool:
        return any(ignored.matches(line) for ignored in self.rules.ignore)

    def _is_new(self, rule: Rule, kind: str) -> bool:
        """Note the kind of a line, and say whether the line counts."""
        kinds = self.kinds[rule.name]
        kinds[kind] = kinds.get(kind, 0) + 1
        if len(kinds) > _KINDS_AT_ONCE:
            self.kinds[rule.name] = dict(_most(kinds))
        is_known = kind in self.known_kinds.get(rule.name, ())
        self.tallies[rule.name].known += is_known
        return not (rule.new_kinds_only and is_known)

    def learn(self, kinds: Mapping[str, Mapping[str, int]]) -> None:
        """Note kinds that were found elsewhere, without counting a line."""
        for name, found in kinds.items():
            for kind, count in found.items():
                self.kinds[name][kind] = self.kinds[name].get(kind, 0) + count

    def _add_rate(self, rate: Rate, data: bytes) -> None:
        blocks = self.rates[rate.name]
        for piece in blocks.cut(data):
            chunk = Chunk(piece)
            self.looking_for = rate.of.shown
            total = rate.of.count(chunk)
            self.looking_for = rate.count.shown
            found = rate.count.find(chunk) if total else []
            blocks.add(sum(rate.of.matches(chunk.line_at(start)) for start in found), total)

    def is_waiting(self) -> bool:
        """Say whether a required line, or a line that a rate needs, has not come yet."""
        return any(self.tallies[rule.name].count < rule.minimum for rule in self.rules.require) or any(
            self.rates[rate.name].total < rate.minimum for rate in self.rules.rates
        )

    def problems(self, complete: bool, span: Optional[float]) -> List[str]:
        """Return why the rules are not met, one sentence each."""
        found = [
            f"{rule.name}: {self.tallies[rule.name].count} lines, at least {rule.minimum} are required"
            for rule in self.rules.require
            if self.tallies[rule.name].count < rule.minimum
        ]
        for rule in self.rules.forbid:
            tally = self.tallies[rule.name]
            value = per_hour(tally.count, span) if rule.per_hour else tally.count
            if value > rule.maximum:
                found.append(f"{rule.name}: {tally.count} lines, the last one is {show(tally.last)!r}")
        if self.rules.forbid and not complete:
            found.append("a part of the log is missing, so nobody can say that it holds no errors")
        return found

    def results(self, span: Optional[float]) -> Dict[str, Dict[str, Any]]:
        """Return per rule the counts, the count per hour, and the first and the last line as they may be shown."""
        return {
            name: {
                "count": tally.count,
                "known": tally.known,
                "per_hour": round(per_hour(tally.count, span), 3),
                "first": show(tally.first),
                "last": show(tally.last),
            }
            for name, tally in self.tallies.items()
        }

    def kinds_found(self) -> Dict[str, List[str]]:
        """Return per forbidden rule the kinds of its lines, the known ones among them."""
        return {name: sorted(kind for kind, _count in _most(kinds)) for name, kinds in self.kinds.items()}

    def styles_found(self) -> List[str]:
        """Return the styles of the lines, those of most lines first; [] where lines were not read by their style."""
        return list(self.rules.styles.found) if self.rules.styles else []

    def measurements(self, complete: bool, span: Optional[float]) -> Dict[str, Any]:
        """Return counts, counts per hour, and rates in percent.

        Where lines may be missing only forbidden ones that were found are counted: there are that many at least.
        """
        found: Dict[str, Any] = {}
        if not complete:
            bad = [(rule, self.tallies[rule.name].count) for rule in self.rules.forbid]
            return {rule.name: per_hour(n, span) if rule.per_hour else n for rule, n in bad if n > rule.maximum}
        for rule in [*self.rules.forbid, *self.rules.count]:
            count = self.tallies[rule.name].count
            found[rule.name] = round(per_hour(count, span), 3) if rule.per_hour else count
        for name, blocks in self.rates.items():
            if blocks.total:
                found[name] = _share(blocks)
        return found


def _share(blocks: Blocks) -> Dict[str, Any]:
    """Return a rate in percent, with its interval, and the counts that it is made of."""
    events, total = sum(block[0] for block in blocks.counted), blocks.total
    low, high = (100 * bound for bound in wilson_interval(events, total))
    value = 100 * events / total
    grouped = [list(block) for block in regroup(blocks.counted)]
    interval = {"value": value, "low": min(low, value), "high": max(high, value)}
    return {**interval, "samples": total, "events": events, "blocks": grouped}


def _most(kinds: Mapping[str, int]) -> List[Tuple[str, int]]:
    return Counter(kinds).most_common(MOST_KINDS)


def per_hour(count: int, span: Optional[float]) -> float:
    """Return a count per hour over `span` seconds. A shorter time than an hour is never extrapolated upwards."""
    return count / max(1.0, (span or 0.0) / 3600)
