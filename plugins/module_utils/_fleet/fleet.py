# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run over several hosts: in which batches they are released, the state of each host, and when the run stops.

Everything comes from the facts that the tasks left. No host is asked here, so hosts that cannot be reached are
reported like all others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ansible_collections.greenlight.release.plugins.module_utils._release.status import revision_in_place
from ansible_collections.greenlight.release.plugins.module_utils._values.duration import DurationError, parse_duration
from ansible_collections.greenlight.release.plugins.module_utils._values.errors import GreenlightError

# The states of a host. waiting: nothing was done there; unchanged: it had the revision before; rehearsed: check mode;
# lost: it cannot be reached any more; stuck: it should have been rolled back, and could not be.
STATES = ("waiting", "unchanged", "rehearsed", "released", "failed", "lost", "taken_back", "stuck")
_SIZE = re.compile(r"(\d+)(%?)")

Facts = Mapping[str, Any]


class FleetError(GreenlightError):
    """A setting of the roll-out, or a difference between two hosts, that it cannot begin with."""


@dataclass(frozen=True)
class Host:
    """One host of the run. `batch` counts from 1; `before`, `wanted` and `now` are revisions, empty if unknown.

    `stands` says that the host was left on the wanted revision: what fails after its release was closed, such as the
    service of the boot, rolls nothing back by itself.
    """

    name: str
    batch: int
    state: str
    before: str = ""
    wanted: str = ""
    now: str = ""
    decision: str = ""
    reason: str = ""
    stands: bool = False


@dataclass(frozen=True)
class Stop:
    """Why a run stops. `kind`: failed and fleet speak against the revision; lost, asked and hours do not."""

    kind: str
    batch: int
    reason: str

    @property
    def speaks_against(self) -> bool:
        return self.kind in ("failed", "fleet")


def split(hosts: Sequence[str], batches: Any) -> List[List[str]]:
    """Return the hosts in batches, in their order; the last size is repeated until no host is left.

    A size is a number of hosts or a percentage of all, of which at least one. Raises FleetError for anything else.
    """
    sizes = [_size(each, len(hosts)) for each in (batches if isinstance(batches, (list, tuple)) else [batches])]
    if not sizes:
        raise _no_batch(batches)
    parts: List[List[str]] = []
    begin = 0
    while begin < len(hosts):
        size = sizes[min(len(parts), len(sizes) - 1)]
        parts.append(list(hosts[begin : begin + size]))
        begin += size
    return parts


def _size(value: Any, hosts: int) -> int:
    match = _SIZE.fullmatch(str(value))
    if not match or int(match.group(1)) < 1:
        raise _no_batch(value)
    number = int(match.group(1))
    return max(1, hosts * number // 100) if match.group(2) else number


def _no_batch(value: Any) -> FleetError:
    return FleetError(
        f"greenlight_batches cannot have {value!r}; give numbers of hosts or percentages of all, such as [1, 25%, 100%]"
    )


def batches_of(name: str, hosts: Sequence[str], settings: Mapping[str, Any]) -> List[Dict[str, Any]]:
    """Return the batches that concern a host: its own, and where the fleet is judged those that it is compared with.

    `settings` are `{batches, soak, confirm, matrix, patches}`. Raises FleetError for a wrong one.
    """
    parts, concerned = split(hosts, settings["batches"]), []
    soak, together = _seconds(settings["soak"]), judges_fleet(settings["matrix"], settings["patches"])
    gated = bool(soak or together or settings["confirm"])
    for number, part in enumerate(parts, 1):
        later = [host for rest in parts[number:] for host in rest]
        batch = {"number": number, "of": len(parts), "hosts": part, "later": later, "together": together}
        batch["tasks"] = "gated" if gated else "batch" if number == 1 else "next"
        batch["soak"] = soak if later else 0
        if name in part or (together and name in later):
            concerned.append(batch)
    return concerned


def _seconds(soak: Any) -> int:
    try:
        return parse_duration(soak)
    except DurationError as error:
        raise FleetError(f"greenlight_soak: {error}") from error


def judges_fleet(matrix: Any, patches: Any) -> bool:
    """Say whether any row has the scope fleet. Errors in a row are reported where it is judged."""
    rows = [*(matrix or []), *(patches or {}).values()]
    return any(isinstance(row, Mapping) and row.get("scope") == "fleet" for row in rows)


def first_release(wanted: Mapping[str, Any], hosts: Sequence[Facts], batch: Sequence[str]) -> Dict[str, str]:
    """Return `{sha, release_id, run_id}` of the batches before this one, {} in the first.

    `wanted` are variables that must be the same everywhere, as the first host of the batch has them. Raises FleetError
    when two hosts differ.
    """
    begin = next(index for index, host in enumerate(hosts) if host["inventory_hostname"] in batch)
    for name, value in wanted.items():
        _refuse_difference(name, value, hosts[begin], hosts)
    for earlier in hosts[:begin]:
        sha = _of(earlier, "__greenlight_target", "sha")
        if sha:
            return {
                "sha": str(sha),
                "release_id": str(earlier["__greenlight_release_id"]),
                "run_id": str(earlier["__greenlight_run_id"]),
            }
    return {}


def _refuse_difference(name: str, value: Any, first: Facts, hosts: Sequence[Facts]) -> None:
    if first.get(name) != value:
        # The hosts have what the inventory says, and the play overrides it for all of them.
        return
    for other in hosts:
        if other.get(name) != value:
            raise FleetError(
                f"{name} is {value!r} on {first['inventory_hostname']} and {other.get(name)!r} on "
                f"{other['inventory_hostname']}; one run releases one revision of one app, so name its hosts with "
                "greenlight_hosts or --limit"
            )


def states_of(facts: Sequence[Facts], alive: Sequence[str], batches: Any, check_mode: bool = False) -> List[Host]:
    """Return the state of every host of the run, in the order of the run.

    `facts` are the variables of each host, `alive` the names of those that are still in the play.
    """
    names = [str(each["inventory_hostname"]) for each in facts]
    number = {name: index for index, batch in enumerate(split(names, batches), 1) for name in batch}
    return [_host(each, number[name], name in alive, check_mode) for name, each in zip(names, facts)]


def _host(facts: Facts, batch: int, alive: bool, check_mode: bool) -> Host:
    before = str(_of(facts, "__greenlight_fetched", "head") or "")
    wanted = str(_of(facts, "__greenlight_target", "sha") or "")
    state, reason = _state(facts, before, wanted, alive, check_mode)
    now = _now(facts, {"released": wanted, "unchanged": before, "rehearsed": before}.get(state, ""), before)
    decision = str(_of(facts, "greenlight_decision", "decision") or "")
    name = str(facts["inventory_hostname"])
    stands = state == "released" or (state == "failed" and _was_closed(facts))
    return Host(name, batch, state, before, wanted, now, decision, reason or _decided(facts), stands)


def _now(facts: Facts, expected: str, before: str) -> str:
    """Return the revision in place by the record that was read last, else the expected one; empty between two."""
    seen = facts.get("__greenlight_final_records")
    if not isinstance(seen, Mapping) or "record" not in seen:
        return expected
    return str(revision_in_place(seen["record"]) or "") if seen["record"] else before


def _was_closed(facts: Facts) -> bool:
    record = _of(facts, "__greenlight_closed", "record") or {}
    return (
        bool(record)
        and record.get("id") == facts.get("__greenlight_release_id")
        and not facts.get("__greenlight_batch_rollback")
    )


def _of(facts: Facts, name: str, key: str) -> Any:
    value = facts.get(name)
    return value.get(key) if isinstance(value, Mapping) else None


def _state(facts: Facts, before: str, wanted: str, alive: bool, check_mode: bool) -> List[str]:
    """Return the state and, where something went wrong, why."""
    failure = str(facts.get("__greenlight_failed") or "")
    back = facts.get("__greenlight_batch_rollback")
    if isinstance(back, Mapping) and back.get("problem"):
        return ["stuck", str(back["problem"])]
    if failure:
        return ["failed", failure]
    if isinstance(back, Mapping) and back:
        return ["taken_back", str(back["reason"])]
    if not alive:
        return [
            "lost",
            "cannot be reached any more" if before else "left before its release began, see its error above",
        ]
    if not before:
        return ["waiting", ""]
    if before == wanted:
        return ["unchanged", ""]
    return ["rehearsed" if check_mode else "released", ""]


def _decided(facts: Facts) -> str:
    return str(_of(facts, "greenlight_decision", "reason") or "")


def find_stop(hosts: Sequence[Host], facts: Sequence[Facts]) -> Optional[Stop]:
    """Return why the run must not go on, None while all that has begun is well."""
    for each in facts:
        stop = each.get("__greenlight_stop")
        if isinstance(stop, Mapping) and stop:
            return Stop(str(stop["kind"]), int(stop["batch"]), str(stop["reason"]))
    of = max((host.batch for host in hosts), default=0)
    for kind in ("failed", "lost"):
        bad = [host for host in hosts if host.state == kind]
        if bad:
            batch = max(host.batch for host in bad)
            reasons = "; ".join(f"{host.name} {'failed: ' if kind == 'failed' else ''}{host.reason}" for host in bad)
            return Stop(kind, batch, f"batch {batch} of {of}: {reasons}")
    return None


def choose_back(hosts: Sequence[Host], stop: Optional[Stop], whole_fleet: bool) -> List[str]:
    """Return the hosts to roll back: the released ones of the failed batch, and with `whole_fleet` those before it.

    A lost host, a person who says no, or a forbidden hour is no reason to roll back a revision that serves elsewhere.
    """
    if stop is None or not stop.speaks_against:
        return []
    return [host.name for host in hosts if host.stands and (whole_fleet or host.batch == stop.batch)]


def stay_old(facts: Sequence[Facts], revision: str) -> List[str]:
    """Return the names of the hosts that do not run `revision`, as they were measured together with a batch."""
    return [
        str(each["inventory_hostname"])
        for each in facts
        if _of(each, "__greenlight_old_measured", "revision") != revision
    ]
