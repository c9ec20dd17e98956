"""What signals mean to a worker that runs as a process of its own.

TERM, INT   finish running jobs within the grace, hand the others back, end
again       cancel and hand back at once
TSTP        claim no more, go on running (quiet); CONT claims again
TTIN        log what the jobs are doing, with stacks
"""

from __future__ import annotations

import asyncio
import signal
import traceback
from typing import TYPE_CHECKING, Any

import anyio

from aiojobs_redis.guarded_log import GuardedLog

if TYPE_CHECKING:
    from aiojobs_redis.worker.worker import Worker

__all__ = ["obey_signals"]

_log = GuardedLog("aiojobs_redis.worker")

_NAMES = ("SIGTERM", "SIGINT", "SIGTSTP", "SIGCONT", "SIGTTIN")
_HANDLED = [signal.Signals[name] for name in _NAMES if hasattr(signal, name)]


async def obey_signals(worker: Worker, grace: float) -> None:
    """Act on signals until cancelled.

    Args:
        worker: The worker.
        grace: Seconds that running jobs get at the first TERM or INT.
    """
    asked = False
    with anyio.open_signal_receiver(*_HANDLED) as signals:
        async for number in signals:
            if number in {signal.SIGTERM, signal.SIGINT}:
                _log.info("%s: stopping%s", number.name, " now" if asked else "")
                worker.stop(grace=0 if asked else grace)
                asked = True
            elif number.name == "SIGTSTP":
                worker.pause()
            elif number.name == "SIGCONT":
                worker.resume()
            else:
                dump_jobs(worker)


def dump_jobs(worker: Worker) -> None:
    """Log each running job and where it stands."""
    for run in worker.runs():
        name = run.task.name if run.task else "?"
        _log.warning("job %s of task %s:\n%s", run.id, name, stack_of(run.job))
    _log.warning(
        "%d jobs are running, %d asyncio tasks", len(worker.runs()), len(asyncio.all_tasks())
    )


def stack_of(task: asyncio.Task[None] | None) -> str:
    """Return where a task stands, down to the innermost await; asyncio shows the outermost."""
    lines: list[str] = []
    awaited: Any = None if task is None else task.get_coro()
    while awaited is not None:
        # Coroutines, generators and async generators name these differently.
        kind = next((kind for kind in ("cr", "gi", "ag") if hasattr(awaited, f"{kind}_frame")), "")
        frame = getattr(awaited, f"{kind}_frame", None)
        if frame is not None:
            lines += traceback.format_stack(frame, limit=1)
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await", None)
    return "".join(lines)
