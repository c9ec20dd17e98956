"""Starts the runs of a queue whose payloads are sealed, and seals what they leave.

A codec may ask a service for its keys, and that may be away. What is rejected is dead; any other
error says nothing of the job, which is handed back after a pause. Until then it keeps its slot, so
that a worker which cannot open anything does not claim and hand back as fast as it can.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

import msgspec

from aiojobs_redis._redis.inspector import error_line
from aiojobs_redis.errors import PayloadRejected, PayloadTooLarge
from aiojobs_redis.guarded_log import GuardedLog
from aiojobs_redis.spec import read_header
from aiojobs_redis.unique import sealed_for
from aiojobs_redis.verdict import sealed_body
from aiojobs_redis.worker.completion import Completion
from aiojobs_redis.worker.starter import Starter, dead

if TYPE_CHECKING:
    from aiojobs_redis.sealing import Sealing
    from aiojobs_redis.worker.executor import Executor
    from aiojobs_redis.worker.lane import Lane
    from aiojobs_redis.worker.run import Run

__all__ = ["SealedStarter"]

_log = GuardedLog("aiojobs_redis.worker")

_PAUSE = 1.0
_SILENCE = 30.0
"""Seconds between two lines in the log: all jobs meet with the same fault."""


class SealedStarter(Starter):
    """Starts runs whose payload was sealed for this job of this queue; any other is dead.

    Args:
        lane: Their lane.
        executor: Runs the attempts.
        sealing: Opens payloads, seals results and errors.
    """

    def __init__(self, lane: Lane, executor: Executor, sealing: Sealing) -> None:
        super().__init__(lane, executor)
        self._sealing = sealing
        self._end = self._end_sealed
        self._silent_until = 0.0

    def start(self, run: Run, loop: asyncio.AbstractEventLoop) -> None:
        """Start one run; one that cannot start ends at once, or after a pause."""
        try:
            self._check_size(run)
            place = sealed_for(read_header(run.header), run.key)
            run.body = self._sealing.open(*place, run.body)
        except (PayloadRejected, PayloadTooLarge) as error:
            _log.warning("job %s is dead, it was not run: %s", run.id, error)
            self._end(run, dead(run, error))
        except BaseException as error:
            self._report(run, "its payload cannot be opened", error)
            self._hand_back_later(run)
        else:
            super().start(run, loop)

    def _end_sealed(self, run: Run, completion: Completion | None) -> None:
        try:
            completion = completion and self._sealed(completion)
        except BaseException as error:
            self._report(run, "what it left cannot be sealed", error)
            if not (run.begun and run.once):
                self._hand_back_later(run)
                return
            completion = _abandoned(run)
        self._lane.end(run, completion)

    def _sealed(self, completion: Completion) -> Completion:
        code, body = completion.code, completion.body
        sealed = sealed_body(self._sealing, completion.run.key, code, body)
        return completion if sealed is body else msgspec.structs.replace(completion, body=sealed)

    def _hand_back_later(self, run: Run) -> None:
        if run.timer is not None:
            run.timer.cancel()
        # Its attempt has ended, or never began; whatever else is to end it ends the pause.
        run.timeout, run.begun, run.closing = None, True, False
        seconds = _PAUSE * random.uniform(0.5, 1)  # noqa: S311 - jitter
        run.job = asyncio.get_running_loop().create_task(asyncio.sleep(seconds))
        # A callback is called however the pause ends, before it has begun included.
        run.job.add_done_callback(lambda _: self._lane.hand_back(run))

    def _report(self, run: Run, what: str, error: BaseException) -> None:
        now = time.monotonic()
        if now < self._silent_until:
            return
        self._silent_until = now + _SILENCE
        _log.error(
            "job %s: %s, the codec of queue %s raised %s: %s. It is handed back and tried again, "
            "like all that meet with this until the codec works again",
            run.id,
            what,
            self._lane.queue.name,
            type(error).__name__,
            error,
        )


def _abandoned(run: Run) -> Completion:
    text = "what the attempt left could not be sealed, and the job is delivered at most once"
    line = error_line("abandoned", text, "", run.claim.failures + 1)
    return Completion(run, "d", "", line, "abandoned")
