"""What was to be reached, as ratios in one run, and whether it was; 5 % count as equal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from benchmarks.harness import OURS

__all__ = ["Verdict", "best_rival", "verdicts"]

_BAND = 1.05


class Verdict(NamedTuple):
    """One line of what was to be reached.

    Attributes:
        what: What is measured.
        found: The figure.
        must: What it must be.
        goal: What it was hoped to be; None for none.
        lower: Whether less is better.
        against: The rival and its figure, for a ratio.
    """

    what: str
    found: float
    must: float
    goal: float | None
    lower: bool
    against: str = ""

    @property
    def text(self) -> str:
        """Whether it was reached."""
        if self.goal is not None and self._reaches(self.goal):
            return "goal reached"
        if self._reaches(self.must):
            return "reached"
        short = self.found / self.must - 1 if self.lower else 1 - self.found / self.must
        return f"**missed by {100 * short:.0f} %**"

    def _reaches(self, limit: float) -> bool:
        return self.found <= limit * _BAND if self.lower else self.found >= limit / _BAND


def best_rival(
    case: Mapping[str, Any], key: str, *, lower: bool = False, without: Collection[str] = ()
) -> tuple[str, float]:
    """Return the rival with the best median of a figure."""
    medians = {
        name: float(figure[key]["median"])
        for name, figure in case.items()
        if name not in {OURS.name, "failed", *without} and key in figure
    }
    name = (min if lower else max)(medians, key=medians.__getitem__)
    return name, medians[name]


def _ours(case: Mapping[str, Any], key: str) -> float:
    return float(case[OURS.name][key]["median"])


def _ratio(
    what: str, case: Mapping[str, Any], key: str, must: float, goal: float, *, lower: bool = False
) -> Verdict:
    name, best = best_rival(case, key, lower=lower)
    unit = "ms" if key.endswith("_ms") else "/s"
    number = f"{best:,.0f}" if best >= 100 else f"{best:.3g}"
    against = f"best rival {name}, {number} {unit}"
    return Verdict(what, _ours(case, key) / best, must, goal, lower, against)


def verdicts(results: Mapping[str, Any]) -> Iterator[Verdict]:
    """Compare the results of a run with what was to be reached, as far as it was measured."""
    rate = "jobs_per_second"
    if "drain" in results:
        drain = results["drain"]["figures"]
        yield _ratio("drain, c=100, times the best rival", drain["c=100"], rate, 3, 5)
        arq = float(drain["c=100"]["arq"][rate]["median"])
        times = _ours(drain["c=100"], rate) / arq
        yield Verdict(
            "drain, c=100, times arq", times, 20, 30, lower=False, against=f"{arq:,.0f} /s"
        )
        yield _ratio("drain, c=10, times the best rival", drain["c=10"], rate, 3, 6)
        yield _ratio("drain, c=1000, times the best rival", drain["c=1000"], rate, 3, 6)
        rss = float(drain["c=100"][OURS.name]["rss_mb"]["median"])
        yield Verdict("MB of a worker process", rss, 50, 42, lower=True)
    if "floor" in results:
        share = float(results["floor"]["figures"]["c=100"]["share_of_floor"])
        yield Verdict("drain, c=100, part of the bare loop", share, 0.75, 0.9, lower=False)
    if "enqueue" in results:
        enqueue = results["enqueue"]["figures"]
        yield _ratio("`enqueue_many`, times the best rival", enqueue["in bulk"], rate, 1.5, 2.5)
        yield _ratio("50 callers, times the best rival", enqueue["50 callers"], rate, 4, 7)
        name, best = best_rival(enqueue["50 callers"], rate, without=("bullmq-node",))
        times = _ours(enqueue["50 callers"], rate) / best
        what, against = "50 callers, times the best one in Python", f"{name}, {best:,.0f} /s"
        yield Verdict(what, times, 4, 7, lower=False, against=against)
        yield _ratio("one by one, times the best rival", enqueue["one by one"], rate, 1, 1.2)
    if "latency" in results:
        latency = results["latency"]["figures"]
        for part, must, goal in (("p50", 0.9, 0.7), ("p99", 1.1, 0.8)):
            what = f"pickup {part}, part of the best rival's"
            yield _ratio(what, latency["pickup"], f"{part}_ms", must, goal, lower=True)
        late = _ours(latency["lateness"], "p99_ms")
        yield Verdict("lateness p99, ms", late, 3, 2, lower=True)
        what = "lateness p99, part of the best rival's"
        yield _ratio(what, latency["lateness"], "p99_ms", 1, 1, lower=True)
    if "overtake" in results:
        lower = results["overtake"]["figures"]["lower_claimed_after_acceptance"]
        yield Verdict("lower jobs claimed before a high one", lower, 0, None, lower=True)
    if "depth" in results:
        depth = results["depth"]["figures"]
        worst = max(depth["times"], key=depth["times"].__getitem__)
        times = depth["times"][worst]
        yield Verdict(f"1 M deep against 1 k, the worst ({worst})", times, 1.5, 1.3, lower=True)
        longest = depth["all_due"]["longest_script_ms"]
        yield Verdict("longest script with 1 M due at once, ms", longest, 5, None, lower=True)
    if "memory" in results:
        memory = results["memory"]["figures"]
        yield Verdict(
            "bytes a waiting job", _ours(memory["waiting"], "bytes_per_job"), 380, 340, lower=True
        )
        rss = memory["worker"][OURS.name]["rss_mb"]
        grown = rss[-1] - rss[1]
        yield Verdict("MB a worker grows from 200,000 jobs to 1 M", grown, 1, 0.5, lower=True)
    if "redis_cost" in results:
        cost = results["redis_cost"]["figures"]
        yield Verdict(
            "server µs a job, whole life",
            _ours(cost["whole life"], "server_us"),
            28,
            20,
            lower=True,
        )
        trips = _ours(cost["drain c=100"], "round_trips")
        yield Verdict("round trips a drained job, c=100", trips, 0.05, None, lower=True)
    if "idle" in results:
        idle = results["idle"]["figures"]
        yield Verdict(
            "round trips a second of an idle worker",
            _ours(idle, "round_trips_per_second"),
            1.5,
            1,
            lower=True,
        )
        yield Verdict(
            "percent of a core of an idle worker",
            _ours(idle, "worker_core_percent"),
            0.5,
            None,
            lower=True,
        )
    if "processes" in results:
        several = results["processes"]["figures"]
        one, four = (several[f"{count} processes"] for count in (1, 4))
        times = four[rate]["median"] / one[rate]["median"]
        yield Verdict("4 processes, times one", times, 2, None, lower=False)
        dearer = four["server_us"]["median"] / one["server_us"]["median"]
        yield Verdict("server µs a job with 4 processes, times one", dearer, 1, None, lower=True)
