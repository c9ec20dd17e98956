"""The drills: one function does one fault to one system and tells what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from benchmarks.drills import journal
from benchmarks.drills.fleet import Fleet
from benchmarks.drills.servers import LossyProxy, Server

__all__ = ["DRILLS", "Drill", "Scene"]

_SECOND = 1_000_000_000
_JOB_S = 0.05
_LOSSY_S = 15.0


class Scene(NamedTuple):
    """What a drill works with.

    Attributes:
        server: Runs, with an append-only file.
        fleet: Has no worker yet.
        lease: Seconds after which a lost job runs again at the earliest, as this system is set.
        jobs: How many to enqueue.
        limit: Seconds after the fault in which all jobs have to have ended.
    """

    server: Server
    fleet: Fleet
    lease: float
    jobs: int
    limit: float


class Drill(NamedTuple):
    """One drill.

    Attributes:
        title: What is done.
        jobs: How many jobs, usually.
        run: Does it.
    """

    title: str
    jobs: int
    run: Callable[[Scene], dict[str, Any]]


def _end(
    scene: Scene,
    accepted: Iterable[int],
    since: int,
    outage: tuple[int, int] | None = None,
    *,
    url: str | None = None,
) -> dict[str, Any]:
    """Wait for the accepted jobs, and then for what might still run twice."""
    fleet, wanted = scene.fleet, set(accepted)
    left = scene.limit - (time.time_ns() - since) / _SECOND
    in_time = fleet.wait(lambda: wanted <= journal.finished(fleet.runs), left)
    missing = len(wanted - journal.finished(fleet.runs))
    nudged = None
    if not in_time:
        # Some recover only when something new arrives.
        for _ in range(2):
            fleet.submit(url or scene.server.url, 1, _JOB_S)
            fleet.rest(2.0)
        nudged = len(wanted - journal.finished(fleet.runs))
    # A lease that runs out by mistake runs out within this time.
    fleet.rest(min(scene.lease, 5.0) + 1.0)
    runs = fleet.runs
    ends = [run.end for run in runs if run.whole and run.end and run.number in wanted]
    return {
        "asked": scene.jobs,
        "accepted": len(wanted),
        "late": missing,
        "late_after_new_jobs": nudged,
        **vars(journal.twice(runs, fleet.losses, outage)),
        "exits": fleet.exits,
        "last_words": fleet.last_words if fleet.exits else "",
        "done_s": (max(ends, default=since) - since) / _SECOND if in_time else None,
    }


def _kills(scene: Scene) -> dict[str, Any]:
    fleet = scene.fleet
    accepted = fleet.submit(scene.server.url, scene.jobs, _JOB_S)["accepted"]
    fleet.start(scene.server.url, 3, 4)
    fleet.wait(lambda: len(fleet.runs) >= 10, 20)
    kills: list[tuple[int, int]] = []
    for _ in range(2):
        if fleet.wait(fleet.busy, 5) and (pid := fleet.busy()):
            kills.append((pid, fleet.kill(pid)))
        fleet.rest(0.2)
    if not kills:
        raise RuntimeError("no worker was running a job when it was to be killed")
    found = _end(scene, accepted, kills[-1][1])
    seconds = [journal.again_after(fleet.runs, pid, at) for pid, at in kills]
    known = [second for second in seconds if second is not None]
    again = max(known) if len(known) == len(seconds) else None
    return {"kills": len(kills), "again_s": again, **found}


def _freeze(scene: Scene) -> dict[str, Any]:
    fleet = scene.fleet
    accepted = fleet.submit(scene.server.url, scene.jobs, _JOB_S)["accepted"]
    fleet.start(scene.server.url, 2, 5)
    fleet.wait(lambda: len(fleet.runs) >= 10, 20)
    fleet.wait(fleet.busy, 5)
    pid = fleet.busy()
    if pid is None:
        raise RuntimeError("no worker was running a job when it was to be frozen")
    at = fleet.freeze(pid)
    frozen = max(3 * scene.lease, 9.0) if scene.lease < 10 else 1.5 * scene.lease
    fleet.rest(frozen)
    again = journal.again_after(fleet.runs, pid, at)
    fleet.thaw(pid)
    found = _end(scene, accepted, time.time_ns())
    return {"frozen_s": frozen, "again_s": again, **found}


def _block(scene: Scene) -> dict[str, Any]:
    fleet = scene.fleet
    seconds = 4 * scene.lease if scene.lease < 10 else 1.5 * scene.lease
    blocker = fleet.submit(scene.server.url, 1, seconds, block=True)["accepted"]
    fleet.start(scene.server.url, 3, 5)
    if not fleet.wait(lambda: fleet.runs, 20):
        raise RuntimeError("the blocking job did not start")
    since = time.time_ns()
    rest = fleet.submit(scene.server.url, scene.jobs - 1, _JOB_S)["accepted"]
    found = _end(scene, [*blocker, *rest], since)
    runs = sum(run.number in blocker for run in fleet.runs)
    return {"blocked_s": seconds, "runs_of_the_blocking_job": runs, **found}


def _restart(scene: Scene) -> dict[str, Any]:
    fleet, server = scene.fleet, scene.server
    accepted = fleet.submit(server.url, scene.jobs, _JOB_S)["accepted"]
    fleet.start(server.url, 2, 5)
    fleet.wait(lambda: len(journal.finished(fleet.runs)) >= scene.jobs // 5, 20)
    down = time.time_ns()
    server.kill()
    fleet.rest(3.0)
    server.start()
    back = time.time_ns()
    found = _end(scene, accepted, back, (down, back))
    starts = [run.start for run in fleet.runs if run.start > back]
    return {"again_s": (min(starts) - back) / _SECOND if starts else None, **found}


def _full(scene: Scene) -> dict[str, Any]:
    fleet, server = scene.fleet, scene.server
    accepted = fleet.submit(server.url, scene.jobs, _JOB_S)["accepted"]
    fleet.start(server.url, 2, 5)
    fleet.wait(lambda: len(fleet.runs) >= scene.jobs // 10, 20)
    server.fill()
    at = time.time_ns()
    new = fleet.submit(server.url, 1, _JOB_S)
    fleet.rest(max(0.0, 8.0 - (time.time_ns() - at) / _SECOND))
    # What had been handed out at that moment is not "started while full".
    full = at + _SECOND // 4
    before = {run.number for run in fleet.runs if run.start <= full}
    started = {run.number for run in fleet.runs} & set(accepted) - before
    server.relieve()
    found = _end(scene, [*accepted, *new["accepted"]], time.time_ns())
    return {
        "waiting_when_full": len(set(accepted) - before),
        "started_while_full": len(started),
        "new_job": next(iter(new["refused"].values()), "accepted"),
        "new_job_s": new["slowest_s"],
        **found,
    }


def _replies(scene: Scene) -> dict[str, Any]:
    fleet = scene.fleet
    with LossyProxy(scene.server.port, 20) as proxy:
        fleet.start(proxy.url, 2, 5)
        fleet.rest(1.5)
        proxy.dropping = True
        since = time.time_ns()
        sent = fleet.submit(proxy.url, scene.jobs, _JOB_S)
        wanted = set(sent["accepted"])
        left = _LOSSY_S - (time.time_ns() - since) / _SECOND
        fleet.wait(lambda: wanted <= journal.finished(fleet.runs), left)
        # What was lost for good shows once all is well again.
        proxy.dropping = False
        found = _end(scene, sent["accepted"], since, url=proxy.url)
        reasons = sorted({reason.partition(":")[0] for reason in sent["refused"].values()})
        failed = {"enqueues_failed": len(sent["refused"]), "failed_with": reasons}
        return {"dropped": proxy.dropped, **failed, **found}


DRILLS = {
    "F1": Drill("kill -9 of two of three workers, while they run jobs", 300, _kills),
    "F3": Drill(
        "SIGSTOP of one of two workers for longer than its lease, then SIGCONT", 200, _freeze
    ),
    "F4": Drill("a task blocks the event loop of its worker for longer than its lease", 50, _block),
    "F12": Drill("kill -9 of Redis, 3 s down, restart from its append-only file", 300, _restart),
    "F17": Drill("Redis is full for 8 s", 300, _full),
    "F26": Drill("every 20th reply is lost, after the command was carried out", 200, _replies),
}
