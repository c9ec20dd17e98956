"""Checks a history: reads its files, applies the rules to each job, adds up what became of all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiojobs_redis.history.collector import Collector, files_of
from aiojobs_redis.history.fate import Fate, acknowledged, fate_of
from aiojobs_redis.history.lives import life_of
from aiojobs_redis.history.order import overtaken
from aiojobs_redis.history.report import HistoryReport, HistoryViolation
from aiojobs_redis.history.rules import RULES, Case

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from aiojobs_redis.history.lives import Life
    from aiojobs_redis.history.model import History, Job

__all__ = ["check_history"]


def check_history(*paths: str | os.PathLike[str], drained: bool = False) -> HistoryReport:
    """Check a history against what the queue promises.

    Args:
        paths: Its files, or folders with ``*.jsonl`` files, in any order.
        drained: Whether all work was done when the recording ended, so that an acknowledged job
            without an end is a lost one; `HistoryRecorder.mark` writes it into the history.

    Raises:
        ConfigInvalid: A file cannot be read, or is no history.
    """
    collector = Collector()
    for path in files_of(paths):
        collector.read(path)
    history = collector.history
    if drained:
        last = len(history.files) - 1
        for queue in history.queues:
            history.drained.setdefault(queue, last * history.LINES)
    return _Check(history).report()


class _Check:
    """One check in progress."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._violations: list[HistoryViolation] = []
        self._causes: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._not_judged: list[str] = []

    def report(self) -> HistoryReport:
        history, totals = self._history, self._totals
        for queue, jobs in history.queues.items():
            if jobs:
                self._check_queue(queue, jobs)
        if not any(history.queues.values()):
            self._not_judged.append("anything; no line is about a job")
        return HistoryReport(
            events=history.events,
            files=len(history.files),
            jobs=sum(map(len, history.queues.values())),
            enqueued=totals["enqueued"],
            unknown=totals["unknown"],
            refused=totals["refused"],
            completed=totals["completed"],
            executions=totals["executions"],
            lost=totals[Fate.LOST],
            corrupt=totals["corrupt"],
            unexpected=totals["unexpected"],
            duplicated=totals["duplicated"],
            recovered=totals["recovered"],
            unfinished=totals[Fate.UNFINISHED],
            undone=totals[Fate.UNDONE],
            causes=dict(self._causes.most_common()),
            torn=history.torn,
            not_judged=self._not_judged,
            violations=self._violations,
        )

    def _check_queue(self, queue: str, jobs: Mapping[str, Job]) -> None:
        history = self._history
        unread = history.unread(queue)
        producers = any(job.enqueue is not None for job in jobs.values())
        if not producers:
            self._not_judged.append(
                f"queue {queue}: whether each job was enqueued, and in which order; no producer "
                "was recorded"
            )
        if queue not in history.drained:
            self._not_judged.append(
                f"queue {queue}: whether unfinished jobs are lost; the history does not say that "
                "all work was done (--drained)"
            )
        for job in jobs.values():
            life = life_of(history, job)
            case = Case(history, queue, job, life, producers, unread)
            self._count(case)
            for rule in RULES:
                for message, lines in rule(case):
                    self._add(rule.__name__, queue, job, message, lines)
        for job, lease, other, its_lease in overtaken(history, jobs):
            if other.priority == job.priority:
                how = f"{other.id} had been enqueued before it"
            else:
                how = f"{other.id} waited with priority {other.priority}, over {job.priority}"
            enqueues = [deed.answer for one in (other, job) for deed in one.enqueues()]
            message = f"it was claimed first though {how}"
            lines = [*enqueues, lease.claim, its_lease.claim]
            self._add("claimed_out_of_order", queue, job, message, lines)

    def _add(self, rule: str, queue: str, job: Job, message: str, lines: Sequence[int]) -> None:
        places = [self._history.place(line) for line in lines]
        if rule == "unexpected":
            self._totals[rule] += 1
        self._violations.append(HistoryViolation(rule, queue, job.id, message, places))

    def _count(self, case: Case) -> None:
        totals, job, life = self._totals, case.job, case.life
        starts = sum([len(lease.starts) for lease in job.leases])
        totals["executions"] += starts
        totals["duplicated"] += _ran_again(life)
        totals["completed"] += any(
            (end := lease.accepted()) is not None and end.kind == "complete" for lease in life.ends
        )
        totals[fate_of(case)] += 1
        totals["corrupt"] += bool(job.corrupt)
        if acknowledged(job) is not None:
            totals["enqueued"] += 1
        elif job.enqueue is not None:
            refused = all(deed.refused for deed in job.enqueues())
            totals["refused" if refused else "unknown"] += 1
            totals["recovered"] += not refused and starts > 0
        for link in life.links:
            self._causes[link.cause or "uncaused"] += 1


def _ran_again(life: Life) -> bool:
    return sum([bool(lease.starts) for lease in life.leases]) > 1
