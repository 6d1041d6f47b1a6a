# Copyright (c) the greenlight.release maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judge simulated releases by the default matrix, and by the plain thresholds of its neighbours on the same data.

    ./greenlight bench decision [--quick] [--releases N] [--seed N]

The first table is about releases whose behaviour did not change: how many of a thousand are rolled back. The second is
about one whole watch of such releases, judged every hour. The third and the fourth are about releases that doubled the
error rate or made the response time 50 % longer: how many of a hundred are rolled back, and how many requests the
findings of the others ask for. The neighbours' thresholds are those of their own documentation, judged once on all
requests: Argo Rollouts a success rate of at least 95 %, Flagger 99 % and a p99 of at most 500 ms, Keptn an error rate
and a p95 of at most 10 % more than before.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / ".cache" / "collections"))

from ansible_collections.greenlight.release.plugins.module_utils._decision.decision import decide
from ansible_collections.greenlight.release.plugins.module_utils._values import statistics as values_statistics

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DEFAULTS = yaml.safe_load((CHECKOUT / "roles" / "verify" / "defaults" / "main.yml").read_text(encoding="utf-8"))
ROWS = [row for row in DEFAULTS["greenlight_decision_matrix"] if row.get("relative")]
RATES = (0.001, 0.005, 0.01, 0.02, 0.05)
MEDIAN_MS = 40.0


@dataclass(frozen=True)
class Side:
    """What one revision was seen to do: errors among requests, and a summary of the latencies in ms."""

    errors: int
    requests: int
    latency: dict[str, float]

    def measurements(self) -> dict[str, Any]:
        low, high = (100 * bound for bound in values_statistics.wilson_interval(self.errors, self.requests))
        share = 100 * self.errors / self.requests
        found: dict[str, Any] = {
            "error_rate": {"value": share, "low": min(low, share), "high": max(high, share), "samples": self.requests}
        }
        if self.latency:
            found["response_time"] = {name: self.latency[name] for name in ("value", "low", "high", "samples")}
        return found


def draw_errors(generator: random.Random, requests: int, rate: float) -> int:
    """Draw from the binomial distribution, exactly: the middle one of sorted uniform numbers halves the problem."""
    errors = 0
    while requests > 30:
        middle = 1 + requests // 2
        value = generator.betavariate(middle, requests + 1 - middle)
        if value >= rate:
            requests, rate = middle - 1, rate / value
        else:
            errors, requests, rate = errors + middle, requests - middle, (rate - value) / (1 - value)
    return errors + sum(generator.random() < rate for _request in range(requests))


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


def ours(now: Side, base: Side) -> bool:
    rows = ROWS if now.latency else ROWS[:1]
    return bool(decide(now.measurements(), rows, base.measurements())["decision"] == "rollback")


def argo(now: Side, _base: Side) -> bool:
    return now.errors / now.requests > 0.05


def flagger(now: Side, _base: Side) -> bool:
    return now.errors / now.requests > 0.01 or now.latency.get("p99", 0) > 500


def keptn(now: Side, base: Side) -> bool:
    slower = now.latency.get("p95", 0) > 1.1 * base.latency.get("p95", 0)
    return now.errors / now.requests > 1.1 * base.errors / base.requests or slower


JUDGES: dict[str, Callable[[Side, Side], bool]] = {"greenlight": ours, "Argo": argo, "Flagger": flagger, "Keptn": keptn}


class Simulation:
    """Draws releases, and remembers which goals were missed."""

    def __init__(self, releases: int, seed: int) -> None:
        self.releases = releases
        self.random = random.Random(seed)
        self.missed: list[str] = []
        self.pools: dict[tuple[int, float], list[dict[str, float]]] = {}

    def latency(self, requests: int, factor: float = 1.0) -> dict[str, float]:
        """Return one of some thousand summaries, so that they need not be drawn again for every error rate."""
        key = (requests, factor)
        if key not in self.pools:
            size = max(200, min(self.releases, 2_000_000 // requests))
            self.pools[key] = [draw_latency(self.random, requests, factor) for _draw in range(size)]
        return self.random.choice(self.pools[key])

    def side(self, requests: int, rate: float, latency: dict[str, float]) -> Side:
        return Side(draw_errors(self.random, requests, rate), requests, latency)

    def expect(self, holds: bool, goal: str) -> str:
        if not holds:
            self.missed.append(goal)
        return "yes" if holds else "NO"

    def unchanged(self) -> None:
        title(f"Unchanged releases rolled back, of 1,000 ({self.releases:,} simulated a line)")
        table("requests", "errors", *JUDGES)
        for requests in (1, 10, 100, 1000):
            for rate in RATES:
                pairs = [
                    tuple(self.side(requests, rate, self.latency(requests)) for _revision in "ab")
                    for _release in range(self.releases)
                ]
                found = {name: sum(judge(*pair) for pair in pairs) for name, judge in JUDGES.items()}
                self.expect(found["greenlight"] * 1000 < self.releases, f"unchanged, {requests} requests, {rate:.1%}")
                table(f"{requests}", f"{rate:.1%}", *(f"{1000 * each / self.releases:.1f}" for each in found.values()))

    def watched(self) -> None:
        releases = max(100, self.releases // 4)
        title(f"Unchanged releases rolled back within 24 hourly judgements, of 1,000 ({releases:,} simulated a line)")
        table("an hour", "errors", *JUDGES)
        for requests in (100, 1000):
            for rate in RATES:
                found = dict.fromkeys(JUDGES, 0)
                for _release in range(releases):
                    base = self.side(requests, rate, self.latency(requests))
                    hours = [self.side(requests, rate, self.latency(requests)) for _hour in range(24)]
                    for name, judge in JUDGES.items():
                        found[name] += any(judge(hour, base) for hour in hours)
                self.expect(found["greenlight"] * 1000 < releases, f"watched, {requests} requests an hour, {rate:.1%}")
                table(f"{requests}", f"{rate:.1%}", *(f"{1000 * each / releases:.1f}" for each in found.values()))

    def doubled(self) -> None:
        title("Releases with twice the error rate rolled back, of 100")
        table("requests", "errors", *JUDGES, "needed", "asked for", "as wanted")
        for rate in RATES:
            for requests in (100, 1000, 10_000, 100_000, 1_000_000):
                releases = max(100, self.releases // 4)
                pairs = [
                    (self.side(requests, 2 * rate, {}), self.side(requests, rate, {})) for _release in range(releases)
                ]
                exact = [exact_share(factor * rate) for factor in (2, 1)]
                needed = values_statistics.samples_to_show(exact[0], exact[1], (10**9, 10**9), 100, 50, 0)
                self.show(pairs, 0, f"{rate:.1%}", requests, needed, list(JUDGES))

    def slower(self) -> None:
        title("Releases with a 50 % longer response time rolled back, of 100")
        table("requests", "errors", *JUDGES, "needed", "asked for", "as wanted")
        exact = [Simulation.exact_latency(factor) for factor in (1.4, 1.0)]
        needed = values_statistics.samples_to_show(exact[0], exact[1], (10**5, 10**5), 40, 20, 0)
        for requests in (50, 100, 200, 500, 1000, 2000):
            pairs = [
                (Side(0, requests, self.latency(requests, 1.5)), Side(0, requests, self.latency(requests)))
                for _release in range(max(100, self.releases // 4))
            ]
            self.show(pairs, 1, "-", requests, needed, ["greenlight", "Flagger", "Keptn"])

    @staticmethod
    def exact_latency(factor: float) -> values_statistics.Interval:
        drawn = draw_latency(random.Random(1), 10**5, factor)
        return values_statistics.Interval(drawn["value"], drawn["low"], drawn["high"])

    def show(
        self, pairs: list[tuple[Side, Side]], row: int, rate: str, requests: int, needed: int, names: list[str]
    ) -> None:
        """Print one line about changed releases, and check it: seen, or with the number of requests that it needs."""
        decided = [decide(now.measurements(), [ROWS[row]], base.measurements()) for now, base in pairs]
        caught = sum(each["decision"] == "rollback" for each in decided)
        asked = [each["findings"][0]["samples_needed"] for each in decided if each["decision"] != "rollback"]
        undecided = sum(each is not None for each in asked)
        enough = requests >= needed
        wanted = caught >= 0.99 * len(pairs) if enough else caught + undecided >= 0.99 * len(pairs)
        what = "seen" if enough else "seen or told"
        cells = [
            f"{100 * sum(JUDGES[name](*pair) for pair in pairs) / len(pairs):.1f}" if name in names else "-"
            for name in JUDGES
        ]
        numbers = [each for each in asked if each is not None]
        median = f"{statistics.median(numbers):,.0f}" if numbers else "-"
        mark = self.expect(wanted, f"changed, {requests} requests, {rate}: {what}")
        table(f"{requests:,}", rate, *cells, f"{needed:,}", median, mark)


def exact_share(rate: float) -> values_statistics.Interval:
    low, high = values_statistics.wilson_interval(round(rate * 10**9), 10**9)
    return values_statistics.Interval(rate, low, high)


def title(text: str) -> None:
    print(f"\n{text}\n", flush=True)


def table(*cells: str) -> None:
    print("  " + "".join(f"{cell:>12}" for cell in cells), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the releases")
    parser.add_argument("--releases", type=int, default=4000, help="simulated releases a line (default: 4000)")
    parser.add_argument("--seed", type=int, default=20260219, help="of the random numbers (default: %(default)s)")
    arguments = parser.parse_args()
    simulation = Simulation(arguments.releases // (10 if arguments.quick else 1), arguments.seed)
    simulation.unchanged()
    simulation.watched()
    simulation.doubled()
    simulation.slower()
    print(
        "\nneeded: requests on each side, by the true behaviour. asked for: the median of what the findings say that"
        "\ndid not roll the release back. as wanted: 99 of 100 are seen where there are enough requests, and seen or"
        "\ntold how many it would take where there are not."
    )
    print("\n" + ("Every goal was met." if not simulation.missed else "Missed: " + "; ".join(simulation.missed)))
    return 1 if simulation.missed else 0


if __name__ == "__main__":
    sys.exit(main())
