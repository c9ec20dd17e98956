"""What ran, from the lines that each run of a job appends itself, and what ran twice and why.

A worker counts as lost from the moment in which it was killed, frozen or exited by itself. What it
was doing then, or had ended less than a second before, may run again with cause; every other second
run is without cause: two at the same time while the first worker lived, or again after the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Losses", "Run", "Twice", "again_after", "finished", "read", "twice"]

# Process id to the moments in which it was lost, epoch ns.
Losses = Mapping[int, Sequence[int]]

_SECOND = 1_000_000_000


@dataclass
class Run:
    """One run of a job.

    Attributes:
        number: The job.
        pid: Process that ran it.
        start: When, epoch ns.
        end: When it returned or was interrupted; None if neither was written down.
        whole: Whether it returned.
    """

    number: int
    pid: int
    start: int
    end: int | None = None
    whole: bool = False

    def is_open(self, at: int) -> bool:
        """Whether it had started and not ended at that moment."""
        return self.start <= at and (self.end is None or self.end > at)


@dataclass
class Twice:
    """Second runs of jobs.

    Attributes:
        caused: After their worker was lost.
        together: While the first run went on in a worker that lived.
        again: After a run that had returned.
    """

    caused: int = 0
    together: int = 0
    again: int = 0


def read(path: Path) -> list[Run]:
    """Return all runs by their start."""
    runs: dict[tuple[int, int], Run] = {}
    for line in path.read_text().splitlines(keepends=True) if path.exists() else []:
        if not line.endswith("\n"):
            # Somebody is writing it, or died of that.
            break
        what, *numbers = line.split()
        number, pid, count, at = map(int, numbers)
        if what == "start":
            runs[pid, count] = Run(number, pid, at)
        else:
            run = runs[pid, count]
            run.end, run.whole = at, what == "end"
    return sorted(runs.values(), key=lambda run: run.start)


def finished(runs: Iterable[Run]) -> set[int]:
    """Return the jobs that have returned at least once."""
    return {run.number for run in runs if run.whole}


def twice(runs: Iterable[Run], losses: Losses, outage: tuple[int, int] | None = None) -> Twice:
    """Count the second runs by their cause.

    Args:
        runs: By their start.
        losses: When workers were lost.
        outage: From when to when Redis did not answer: an end within it could not be told.
    """
    found = Twice()
    before: dict[int, list[Run]] = defaultdict(list)
    for run in runs:
        earlier = before[run.number]
        whole = [one for one in earlier if one.whole and one.end and one.end <= run.start]
        still = [one for one in earlier if one.is_open(run.start)]
        if any(not _excused(one, losses, outage) for one in whole):
            found.again += 1
        elif any(not _lost(one, run.start, losses) for one in still):
            found.together += 1
        elif earlier:
            found.caused += 1
        earlier.append(run)
    return found


def _excused(run: Run, losses: Losses, outage: tuple[int, int] | None) -> bool:
    end = run.end or 0
    if outage and outage[0] - _SECOND <= end <= outage[1]:
        return True
    return any(run.start <= at <= end + _SECOND for at in losses.get(run.pid, ()))


def _lost(run: Run, until: int, losses: Losses) -> bool:
    return any(run.start <= at <= until for at in losses.get(run.pid, ()))


def again_after(runs: Sequence[Run], pid: int, at: int) -> float | None:
    """Return the seconds from a loss until the last of its running jobs had started again.

    Args:
        runs: By their start.
        pid: The lost worker.
        at: When it was lost, epoch ns.

    Returns:
        None if one of them has not, 0 if none was running.
    """
    slowest = 0
    for number in {run.number for run in runs if run.pid == pid and run.is_open(at)}:
        starts = [run.start for run in runs if run.number == number and run.start > at]
        if not starts:
            return None
        slowest = max(slowest, min(starts) - at)
    return slowest / _SECOND
