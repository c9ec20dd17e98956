"""The prose and the columns of docs/rivals-under-faults.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

__all__ = ["COLUMNS", "METHOD", "NOTES", "NOTHING_BETTER", "OVERVIEW", "WRONGS", "Column"]

Figures = Mapping[str, Any]


class Column(NamedTuple):
    """One figure of a drill; less is better.

    Attributes:
        title: Its heading.
        value: Takes it from the figures of a run; None for "not in time".
        ranked: Whether a rival with less did better.
        margin: What counts as equal.
        never: What a run without the figure shows; None for the limit of the drill.
    """

    title: str
    value: Callable[[Figures], float | str | None]
    ranked: bool = True
    margin: float = 0.0
    never: str | None = None


def _seconds(title: str, key: str) -> Column:
    return Column(title, lambda run: run[key], margin=0.2)


def _lost(run: Figures) -> float:
    after = run["late_after_new_jobs"]
    return float(run["late"] if after is None else after)


_JOBS = Column("jobs accepted", lambda run: run["accepted"], ranked=False)
_LATE = Column("not done in time", lambda run: run["late"])
_LOST = Column("not even after two new jobs", _lost)
_CAUSED = Column("run twice, with cause", lambda run: run["caused"], ranked=False)
_TOGETHER = Column("two at once, without cause", lambda run: run["together"])
_AGAIN = Column("again after the end, without cause", lambda run: run["again"])
_EXITS = Column("worker exits", lambda run: run["exits"])
# What goes wrong, by its name in the overview.
WRONGS: dict[str, Callable[[Figures], float]] = {
    "lost": _lost,
    "late": lambda run: run["late"] - _lost(run),
    "run twice without cause": lambda run: run["together"] + run["again"],
    "not started while full": lambda run: (
        run.get("waiting_when_full", 0) - run.get("started_while_full", 0)
    ),
    "worker exits": lambda run: run["exits"],
    "enqueue calls that raised": lambda run: run.get("enqueues_failed", 0),
}

_COMMON = (_JOBS, _LATE, _LOST, _CAUSED, _TOGETHER, _AGAIN, _EXITS)

COLUMNS: dict[str, tuple[Column, ...]] = {
    "F1": (
        *_COMMON,
        _seconds("interrupted jobs run again, s", "again_s"),
        _seconds("all done, s", "done_s"),
    ),
    "F3": (
        *_COMMON,
        _seconds("interrupted jobs run again, s", "again_s")._replace(never="not while frozen"),
    ),
    "F4": (
        Column("runs of the blocking job", lambda run: run["runs_of_the_blocking_job"]),
        *_COMMON,
    ),
    "F12": (
        # The same outage for all, so that fewer second runs are better whatever their cause.
        *(column._replace(ranked=True) if column is _CAUSED else column for column in _COMMON),
        _seconds("first job after Redis answers, s", "again_s"),
        _seconds("all done, s", "done_s"),
    ),
    "F17": (
        Column(
            "waiting jobs not started while full",
            lambda run: run["waiting_when_full"] - run["started_while_full"],
        ),
        Column("waiting when full", lambda run: run["waiting_when_full"], ranked=False),
        Column(
            "a new job while full",
            lambda run: (
                "accepted" if run["new_job"] == "accepted" else f"`{run['new_job'].split(':')[0]}`"
            ),
            ranked=False,
        ),
        _seconds("which took, s", "new_job_s"),
        *_COMMON,
    ),
    "F26": (
        Column("replies lost", lambda run: run["dropped"], ranked=False),
        Column("enqueue calls that raised", lambda run: run["enqueues_failed"]),
        *_COMMON,
        _seconds("all done, s", "done_s"),
    ),
}

METHOD = """\
`python -m benchmarks.drills --into docs/reliability` does the drills, `python -m
benchmarks.drills.page` makes this page. `--rivals arq,saq` and `--drills F1,F3` choose, `--runs 3`
repeats, `--more` adds to what is there.

- **The same for all.** A drill is one function (`benchmarks/drills/faults.py`) that sees a system
  only as its driver (`benchmarks/systems/with_*.py`). Jobs sleep for 50 ms. Each drill has a fresh
  Redis with `appendonly yes`, synced every second, and real worker processes.
- **Crash recovery at its best, and shortened**: about 3 s for all, where a system can be set so;
  see [Settings](#settings), which quote the defaults too. Where a setting makes a system survive
  more than its defaults do, the drill has that setting.
- **What ran** is what the jobs say: each writes its start and its end itself, with its process id,
  to a file opened for appending.
- **Not done in time**: accepted, and without an end 40 s after the fault (F3, F17: after it was
  over). Then two new jobs are enqueued, and what is still missing is counted again, since some
  systems look for lost jobs only when new ones arrive.
- **Run twice with cause**: the worker of the first run was killed, frozen or had exited while it
  ran, or less than a second after its end; in F12 also: Redis was away at its end. **Without
  cause**: two at once while the first worker lived (a blocked event loop lives), or again after an
  end that nothing kept from being told. In F26 a second run of one job may also be a job that was
  enqueued twice. At least once permits all of these; they are not equally good.
- **Worker exits**: workers that ended by themselves. They are started again after a second, as a
  service manager would.
- Celery, Dramatiq, RQ (no asyncio) and BullMQ for Node.js are not part of this. Their recovery time
  is in [Benchmarks](benchmarks.md)."""

OVERVIEW = """\
The worst of the runs of each drill. Lost: not done even after the limit and two new jobs. Late: not
done within the limit. Second runs with cause are not in it: see the tables, F12 above all."""

NOTHING_BETTER = "In no figure that was taken."

NOTES: dict[str, str] = {
    "F1": """\
saq takes the jobs that it finds stuck one after another, and waits up to 5 s for each to be aborted
by a worker that does not answer any more, so that the time grows with the number of lost jobs. arq
adds 10 s to the timeout of a job. Recovery here follows the lease; by default it takes as long as
[Settings](#settings) say.""",
    "F3": """\
The frozen worker is stopped for 9 s (arq: 19.5 s, one and a half times its 13 s). Its jobs are run
by the other one, which is what is wanted; what counts is what the woken worker does. taskiq looks
for lost jobs only after it has read new ones: in F1 there still were some, here there were none, so
that they waited for the worker to wake.""",
    "F4": """\
The task calls `time.sleep` for 12 s (arq: 19.5 s), two workers are free. A system that renews
leases from the same event loop loses this one's. This package renews from a thread; ardiq, whose
core is Rust, is not affected either.""",
    "F12": """\
This package ran 20 and 50 jobs twice in two of its three runs, more than any other. Why is not
established. The jobs had ended less than a second before the kill or while Redis was away; in 26
further runs of this drill against this package alone there was none.""",
    "F17": """\
`maxmemory` is set to 1 byte, so that Redis stays full whatever is freed, and lifted after 8 s.
Waiting is what had not started a quarter of a second after that. An end can be told to a full Redis
(a script may be allowed to run), so that a second run after it is without cause.""",
    "F26": """\
The proxy loses the reply of a command that was carried out, and closes its connection: every 20th
reply counted over all connections, so that a system with more round trips has more of them lost.
It stops once all accepted jobs are done, or after 15 s. An enqueue call that raised counts as
refused, whether its job runs or not.""",
}
