# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge simulated releases by the default matrix, and by the plain thresholds of its neighbours on the same data.

    ./greenlight bench decision [--quick] [--releases N] [--seed N]

The first tables are about whole watches: a baseline of 37,000 requests, which are 16 MiB of log, then looks a minute
after the switch and every hour of a day, as the role takes them. Failures are independent, or their rate differs from
hour to hour, or hours resemble their neighbours, or a dependency is away for ten minutes a day. What did not change
must be left alone; what fails five times as often must be found. The last table is about one look at a response time
that became 50 % longer.

The neighbours' thresholds are those of their own documentation, judged at the same looks on what came since the look
before: Argo Rollouts a success rate of at least 95 % with a failureLimit of 1, Flagger 99 % with a threshold of 5.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / ".cache" / "collections"))

from ansible_collections.greenlight.release.plugins.module_utils._decision.budget import budget_of, normal_point
from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._decision.matrix import parse_matrix
from ansible_collections.greenlight.release.plugins.module_utils._values import statistics as values_statistics
from ansible_collections.greenlight.release.plugins.module_utils._values.counts import Counts, describe_counts, regroup

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DEFAULTS = yaml.safe_load((CHECKOUT / "roles" / "verify" / "defaults" / "main.yml").read_text(encoding="utf-8"))
ROWS = [row for row in DEFAULTS["greenlight_decision_matrix"] if row.get("relative")]
BASELINE_REQUESTS = 37_000
LOOKS = [1 / 60, *map(float, range(1, 25))]
SECOND_LOOK = 2 / 60
BLIP_HOURS, BLIP_RATE = 1 / 6, 0.3
MEDIAN_MS = 40.0


@dataclass
class Traffic:
    """Requests whose rate of failures drifts: `sd` from hour to hour, `memory` how much hours resemble neighbours."""

    random: random.Random
    per_hour: int
    rate: float
    sd: float = 0.0
    memory: float = 0.0
    blips: bool = False
    at: float = 0.0
    hour: int = -1
    level: float = 0.0
    next_blip: float = math.inf

    def __post_init__(self) -> None:
        self.level = self.random.gauss(0, 1)
        self.next_blip = self.random.uniform(0, 24) if self.blips else math.inf

    def draw(self, hours: float, blocks: int) -> Counts:
        """Return what is counted in the next hours."""
        counted = []
        for _block in range(blocks):
            steps = max(1, math.ceil(4 * hours / blocks))
            failed = sum(self._draw_step(hours / blocks / steps) for _step in range(steps))
            requests = round(self.per_hour * hours / blocks)
            counted.append((min(failed, requests), requests))
        return Counts(sum(each[0] for each in counted), sum(each[1] for each in counted), tuple(regroup(counted)))

    def _draw_step(self, hours: float) -> int:
        if int(self.at) != self.hour:
            self.hour = int(self.at)
            self.level = self.memory * self.level + math.sqrt(1 - self.memory**2) * self.random.gauss(0, 1)
        spread = math.sqrt(math.log(1 + self.sd**2))
        rate = self.rate * math.exp(spread * self.level - spread**2 / 2)
        while self.next_blip + BLIP_HOURS < self.at:
            self.next_blip += 24 * self.random.uniform(0.5, 1.5)
        away = max(0.0, min(self.at + hours, self.next_blip + BLIP_HOURS) - max(self.at, self.next_blip))
        self.at += hours
        return draw_poisson(self.random, self.per_hour * (hours * rate + away * BLIP_RATE))


@dataclass
class Watched:
    """How a watch went: at which look it was rolled back, None where it was not, and what was said until then."""

    rolled_back: int | None = None
    decisions: list[str] = field(default_factory=list)

    @property
    def flips(self) -> int:
        return sum(one != two for one, two in zip(["proceed", *self.decisions], self.decisions))


def draw_poisson(generator: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(generator.gauss(mean, math.sqrt(mean))))
    count, product, least = 0, generator.random(), math.exp(-mean)
    while product > least:
        product *= generator.random()
        count += 1
    return count


def draw_latency(generator: random.Random, requests: int, factor: float) -> dict[str, float]:
    """Draw latencies with a heavy tail, one request in ten waiting for something whose variance is infinite."""
    drawn = sorted(
        factor
        * generator.lognormvariate(math.log(MEDIAN_MS), 0.5)
        * (generator.paretovariate(1.5) if generator.random() < 0.1 else 1)
        for _request in range(requests)
    )
    low, high = values_statistics.quantile_interval(drawn, 0.5)
    quantiles = {f"p{round(100 * q)}": values_statistics.quantile(drawn, q) for q in (0.95, 0.99)}
    return {"value": values_statistics.quantile(drawn, 0.5), "low": low, "high": high, "samples": requests, **quantiles}


def measurement(counts: Counts, **more: Any) -> dict[str, Any]:
    share = 100 * counts.events / counts.total if counts.total else 0.0
    return {"value": share, **describe_counts(counts), **more}


def less(whole: Counts, before: Counts) -> dict[str, int]:
    return {"events": whole.events - before.events, "samples": whole.total - before.total}


def an_hour_before(seen: list[tuple[float, Counts]], at: float) -> Counts:
    return next(counts for hour, counts in reversed(seen) if at - hour >= 1 or hour == 0)


def watch(traffic: Traffic, factor: float) -> Iterator[tuple[Counts, Watched]]:
    """Yield what came since the look before, and how the watch goes, look by look, as the role takes them."""
    base = measurement(traffic.draw(BASELINE_REQUESTS / traffic.per_hour, 20))
    traffic.rate *= factor
    whole, seen, went = Counts(0, 0), [(0.0, Counts(0, 0))], Watched()
    doubted: Counts | None = None
    for look, at in enumerate(LOOKS, 1):
        drawn = traffic.draw(at - seen[-1][0], 20 if at - seen[-1][0] > 0.2 else 4)
        whole = whole.plus(drawn)
        start = an_hour_before(seen, at)
        hour = Counts(**dict(zip(("events", "total"), less(whole, start).values())), blocks=drawn.blocks)
        fresh = {"fresh": less(whole, doubted)} if doubted else {}
        found = judge(hour, whole, base, look, fresh)
        if found["findings"][0]["outcome"] == "unconfirmed" and not doubted:
            before, whole = whole, whole.plus(traffic.draw(SECOND_LOOK, 4))
            found = judge(hour, whole, base, look, {"fresh": less(whole, before)})
        doubted = whole if found["findings"][0]["outcome"] == "unconfirmed" else None
        seen.append((at, whole))
        went.decisions.append(found["decision"])
        if found["decision"] == "rollback" and went.rolled_back is None:
            went.rolled_back = look
        yield drawn, went


def judge(hour: Counts, whole: Counts, base: dict[str, Any], look: int, fresh: dict[str, Any]) -> dict[str, Any]:
    now = measurement(hour, since_switch=describe_counts(whole), **fresh)
    # The row of the response time has its part of the error budget.
    slow = {"value": 1.0, "samples": 100}
    return decide(
        {"error_rate": now, "response_time": slow}, ROWS, {"error_rate": base, "response_time": slow}, look=look
    )


def neighbours(parts: list[Counts]) -> dict[str, int | None]:
    """Return at which look the thresholds of others would have rolled back."""
    found: dict[str, int | None] = {}
    for name, most, limit in (("Argo", 0.05, 1), ("Flagger", 0.01, 4)):
        bad = [look for look, part in enumerate(parts, 1) if part.total and part.events > most * part.total]
        found[name] = bad[limit] if len(bad) > limit else None
    return found


class Simulation:
    """Draws releases, and remembers which goals were missed."""

    def __init__(self, releases: int, seed: int) -> None:
        self.releases = releases
        self.random = random.Random(seed)
        self.missed: list[str] = []

    def expect(self, holds: bool, goal: str) -> str:
        if not holds:
            self.missed.append(goal)
        return "yes" if holds else "NO"

    def watches(self, factor: float, per_hour: int, rate: float, **drift: Any) -> list[tuple[Watched, dict[str, Any]]]:
        """Return how watches went, with what the neighbours would have done."""
        done = []
        for _release in range(self.releases):
            parts, went = [], Watched()
            for part, went in watch(Traffic(self.random, per_hour, rate, **drift), factor):
                parts.append(part)
                if went.rolled_back and factor > 1:
                    break
            done.append((went, neighbours(parts)))
        return done

    def unchanged(self) -> None:
        title(f"Unchanged releases, of 100 watches of {len(LOOKS)} looks ({self.releases:,} simulated a line)")
        table("an hour", "errors", "failures", "rolled back", "monitor", "flips", "Argo", "Flagger", "as wanted")
        independent = [
            (requests, rate, "independent", {}) for requests in (100, 1000) for rate in (0.0002, 0.001, 0.01)
        ]
        for per_hour, rate, name, drift in (*independent, *DRIFTS):
            done = self.watches(1, per_hour, rate, **drift)
            back = sum(went.rolled_back is not None for went, _others in done)
            looks = sum(len(went.decisions) for went, _others in done)
            monitored = sum(each != "proceed" for went, _others in done for each in went.decisions) / looks
            flips = statistics.mean(went.flips for went, _others in done)
            others = [sum(found[each] is not None for _went, found in done) for each in ("Argo", "Flagger")]
            most = 0.001 if name == "independent" else 0.01
            mark = self.expect(back <= most * len(done), f"unchanged, {per_hour} an hour, {rate:.2%}, {name}")
            cells = [f"{100 * each / len(done):.1f}" for each in (back, *others)]
            words = (cells[0], f"{100 * monitored:.2f} %", f"{flips:.2f}", *cells[1:], mark)
            table(f"{per_hour:,}", f"{rate:.2%}", name, *words)

    def worse(self) -> None:
        title("Releases that fail more often, of 100, and the look at which half of those that are found were")
        table("an hour", "errors", "failures", "times", "found", "look", "Argo", "Flagger", "as wanted")
        for per_hour, rate, name, drift in CHANGED:
            for factor in (2, 5):
                done = self.watches(factor, per_hour, rate, **drift)
                found = [went.rolled_back for went, _others in done if went.rolled_back is not None]
                others = [sum(each[name] is not None for _went, each in done) for name in ("Argo", "Flagger")]
                mark = self.expect(factor < 5 or len(found) >= 0.85 * len(done), f"{factor} times, {per_hour}, {name}")
                look = f"{statistics.median(found):.0f}" if found else "-"
                cells = [f"{100 * each / len(done):.0f}" for each in (len(found), *others)]
                table(f"{per_hour:,}", f"{rate:.2%}", name, f"{factor}", cells[0], look, *cells[1:], mark)

    def slower(self) -> None:
        title("Releases with a 50 % longer response time rolled back at the first look, of 100")
        table("samples", "found", "needed", "asked for", "as wanted")
        point = normal_point(budget_of(parse_matrix(ROWS), 1))
        exact = [values_statistics.Interval(*summary) for summary in map(self.exact_latency, (1.4, 1.0))]
        needed = values_statistics.samples_to_show(exact[0], exact[1], (10**5, 10**5), 40, 20, 0, point)
        for requests in (50, 200, 500, 1000, 2000):
            pairs = [[draw_latency(self.random, requests, factor) for factor in (1.5, 1.0)] for _each in range(100)]
            decided = [decide({"response_time": now}, ROWS, {"response_time": base}) for now, base in pairs]
            findings = [each["findings"][1] for each in decided]
            caught = sum(each["outcome"] == "rollback" for each in findings)
            asked = [each["samples_needed"] for each in findings if each["samples_needed"] is not None]
            wanted = caught >= 99 if requests >= needed else caught + len(asked) >= 99
            mark = self.expect(wanted, f"slower, {requests} samples")
            table(
                f"{requests:,}", f"{caught}", f"{needed:,}", f"{statistics.median(asked):,.0f}" if asked else "-", mark
            )

    @staticmethod
    def exact_latency(factor: float) -> tuple[float, float, float]:
        drawn = draw_latency(random.Random(1), 10**5, factor)
        return (drawn["value"], drawn["low"], drawn["high"])


DRIFTS: tuple[tuple[int, float, str, dict[str, Any]], ...] = tuple(
    (per_hour, 0.01, name, drift)
    for per_hour in (100, 1000, 10_000)
    for name, drift in (
        ("hours 30 %", {"sd": 0.3}),
        ("hours 60 %", {"sd": 0.6}),
        ("AR(1) 0.8", {"sd": 0.3, "memory": 0.8}),
        ("a blip a day", {"blips": True}),
    )
)
CHANGED = [
    (per_hour, 0.01, name, drift)
    for per_hour in (100, 1000, 10_000)
    for name, drift in (("independent", {}), ("hours 60 %", {"sd": 0.6}))
]


def title(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def table(*cells: str) -> None:
    print("  " + "".join(f"{cell:>14}" for cell in cells), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the releases")
    parser.add_argument("--releases", type=int, default=1000, help="simulated releases a line (default: 1000)")
    parser.add_argument("--seed", type=int, default=20260219, help="of the random numbers (default: %(default)s)")
    arguments = parser.parse_args()
    simulation = Simulation(arguments.releases // (10 if arguments.quick else 1), arguments.seed)
    simulation.unchanged()
    simulation.worse()
    simulation.slower()
    print(
        "\nmonitor: looks that say more than to proceed. flips: how often a watch changes its mind. needed: samples on"
        "\neach side, by the true behaviour. asked for: the median of what the findings say that did not roll back."
    )
    print("\n" + ("Every goal was met." if not simulation.missed else "Missed: " + "; ".join(simulation.missed)))
    return 1 if simulation.missed else 0


if __name__ == "__main__":
    sys.exit(main())
