"""The figures of a run as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["all_of"]

Figures = Mapping[str, Any]


def all_of(results: Figures) -> Iterator[str]:
    """Return headings and tables, as far as a question was measured."""
    if "drain" in results:
        yield "### Drain, jobs a second"
        yield _cases(results["drain"]["figures"], "jobs_per_second")
        yield "Processor time of the worker process, µs a job:"
        yield _cases(results["drain"]["figures"], "cpu_us")
    if "floor" in results:
        yield "### The worker and a bare loop over the same scripts, jobs a second"
        figures = results["floor"]["figures"]
        rows = {
            case: [
                *(
                    _cell(figure[name], "jobs_per_second")
                    for name in ("aiojobs_redis", "bare loop")
                ),
                f"{figure['share_of_floor']:.0%}",
            ]
            for case, figure in figures.items()
        }
        yield _table(("", "worker", "bare loop", "part"), rows)
    if "enqueue" in results:
        yield "### Enqueue, jobs a second"
        yield _cases(results["enqueue"]["figures"], "jobs_per_second")
    if "latency" in results:
        for case, figure in results["latency"]["figures"].items():
            yield f"### {case.capitalize()}, milliseconds"
            yield _keys(figure, {"p50": "p50_ms", "p99": "p99_ms", "max": "max_ms"})
    if "redis_cost" in results:
        for case, figure in results["redis_cost"]["figures"].items():
            yield f"### What a job costs Redis: {case}"
            counted = ("server_us", "commands", "round_trips", "bytes_in", "bytes_out")
            yield _keys(figure, {key.replace("_", " "): key for key in counted})
    if "memory" in results:
        memory = results["memory"]["figures"]
        yield "### Redis memory of a waiting job with 100 bytes, bytes"
        yield _keys(memory["waiting"], {"bytes": "bytes_per_job"})
        grown = memory["worker"]["aiojobs_redis"]
        done = memory["finished"]["aiojobs_redis"]["bytes_per_job"]["median"]
        yield (
            f"A completed job of this package takes {done:.0f} bytes. Its worker process has "
            f"{grown['rss_mb_idle']['median']:.1f} MB when idle and "
            f"{', '.join(map(str, grown['rss_mb']))} MB after each of ten times "
            f"{grown['jobs_each']:,} jobs."
        )
    if "idle" in results:
        yield "### A worker with nothing to do"
        keys = {
            "round trips/s": "round_trips_per_second",
            "commands/s": "commands_per_second",
            "worker, % of a core": "worker_core_percent",
            "server, % of a core": "server_core_percent",
        }
        yield _keys(results["idle"]["figures"], keys)
    if "processes" in results:
        yield "### Worker processes, jobs of 1 ms at concurrency 10 each"
        keys = {"jobs/s": "jobs_per_second", "server µs a job": "server_us"}
        yield _keys(results["processes"]["figures"], keys)
    if "depth" in results:
        yield from _depth(results["depth"]["figures"])
    if "recovery" in results:
        yield from _recovery(results["recovery"])


def _depth(figures: Figures) -> Iterator[str]:
    yield "### Server time of a call by depth, µs"
    depths = figures["server_us_a_call"]
    head = ("", *(f"{int(depth):,} queued and scheduled" for depth in depths), "last to first")
    rows = {
        operation: [*(f"{depths[depth][operation]:.0f}" for depth in depths), f"{times:.2f}"]
        for operation, times in figures["times"].items()
    }
    yield _table(head, rows)
    due = figures["all_due"]
    yield (
        f"With {due['due_at_once']:,} jobs due at once a worker forwarded and ran "
        f"{due['forwarded_per_second']:,} a second; the longest script took "
        f"{due['longest_script_ms']:.1f} ms, {due['scripts_over_5_ms']} took over 5 ms."
    )


def _recovery(result: Figures) -> Iterator[str]:
    yield "### From SIGKILL of a worker to its jobs running again, seconds"
    rows = {}
    for name, found in result["figures"].items():
        if name != "failed":
            last = found["last_s"]
            none = f"more than {result['patience_s']:.0f}"
            rows[name] = [str(found["running"]), str(found["first_s"] or none), str(last or none)]
    yield _table(("", "jobs", "the first", "all of them"), rows)
    yield from _failures(result["figures"])


def _cases(cases: Figures, key: str) -> str:
    """Return a row a system and a column a case."""
    systems = dict.fromkeys(name for case in cases.values() for name in case if name != "failed")
    rows = {
        system: [_cell(case[system], key) if system in case else "-" for case in cases.values()]
        for system in systems
    }
    failed = [line for case in cases.values() for line in _failures(case)]
    return "\n\n".join([_table(("", *cases), rows), *failed])


def _keys(case: Figures, keys: Mapping[str, str]) -> str:
    """Return a row a system and a column a figure."""
    rows = {
        system: [_cell(figure, key) for key in keys.values()]
        for system, figure in case.items()
        if system != "failed"
    }
    return "\n\n".join([_table(("", *keys), rows), *_failures(case)])


def _failures(case: Figures) -> Iterator[str]:
    for system, reason in case.get("failed", {}).items():
        yield f"{system} failed: {reason}"


def _cell(figure: Figures, key: str) -> str:
    if key not in figure:
        return "-"
    found = figure[key]
    if found["rounds"] == 1:
        return _number(found["median"])
    span = f"{_number(found['min'])} to {_number(found['max'])}"
    return f"{_number(found['median'])} ({span})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: tuple[str, ...], rows: Mapping[str, list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join((name, *cells)) + " |" for name, cells in rows.items()]
    return "\n".join(lines)
