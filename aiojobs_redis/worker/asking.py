"""What a job in a process of its own leaves: said in passing, or asked of its worker and awaited.

The worker holds the lease and the connection to Redis; here is what the function sees of it. The
answers come in by another thread, so whatever event loop a coroutine runs on may wait for them.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Literal

from aiojobs_redis import errors
from aiojobs_redis.extras import decode_state, encode_state
from aiojobs_redis.payload_codec import netstring
from aiojobs_redis.printing import log_error
from aiojobs_redis.worker.calls import Calls
from aiojobs_redis.worker.messages import Errand
from aiojobs_redis.worker.once import OnceCalls
from aiojobs_redis.worker.speaking import OVER, Speaking
from aiojobs_redis.worker.steps import Steps

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis.worker.messages import Done, Said, Work

__all__ = ["Asking"]

_log = logging.getLogger("aiojobs_redis.worker")

_RAISED: dict[str, type[errors.AiojobsError]] = {
    kind.__name__: kind
    for kind in (
        errors.ArgumentsInvalid,
        errors.ConfigInvalid,
        errors.LeaseLost,
        errors.PayloadRejected,
        errors.PayloadTooLarge,
        errors.QueueUnavailable,
    )
}


class Asking(Speaking, Calls):
    """What one attempt in a process leaves.

    Args:
        work: The attempt.
        send: Sends a message to the worker; called from any thread.

    Attributes:
        state: What survives the attempt; the task changes it in place.
        stopping: Whether the attempt is to end.
    """

    def __init__(self, work: Work, send: Callable[[Said | Errand], None]) -> None:
        super().__init__(work.id, work.attempt, send)
        self.stopping: bool = False
        self.state: dict[str, Any] = decode_state(work.state) if work.state else {}
        self._saved = work.state or encode_state({})
        self._job = work.id
        self._send = send
        self._steps = Steps(work.id, self._keep_step)
        self._steps.results = dict(work.steps)
        self._once = OnceCalls(work.id, self)
        self._numbers = itertools.count(1)
        self._asked: dict[int, Future[bytes | None]] = {}
        self._emitted: Future[bytes | None] | None = None

    async def save(self) -> None:
        """Write the state now."""
        data = encode_state(self.state)
        # Whether that is stored already, or only came along, is known to the worker.
        await self._ask("save", body=data)
        self._saved = data

    def check_loop(self) -> None:
        """Take any loop: the answers come in by another thread."""

    # What its calls are taken from and handed in to

    async def take(self, key: str) -> bytes | None:
        """Wait until a call is ours, or done; return what was recorded then."""
        return await self._ask("take", key)

    async def keep(self, key: str, ms: int, data: bytes) -> None:
        """Record for so long what a call of ours returned."""
        await self._ask("keep", key, data, ms)

    async def free(self, key: str) -> None:
        """Let another job make a call of ours."""
        try:
            await self._ask("free", key)
        except errors.AiojobsError:
            # It is free with the end of the attempt.
            return

    # What the process itself does with it

    def hear(self, done: Done) -> None:
        """Take an answer of the worker; called from the thread that reads them."""
        asked = self._asked.pop(done.number, None)
        if asked is None or not asked.set_running_or_notify_cancel():
            # An attempt before asked for it, or the coroutine that did is gone.
            return
        if done.error is None:
            asked.set_result(done.body)
        else:
            kind, text = done.error
            asked.set_exception(_RAISED.get(kind, errors.AiojobsError)(text))

    def end(self) -> None:
        """Send what is left, and let nobody wait for an answer that will not come."""
        super().end()
        while self._asked:
            _, asked = self._asked.popitem()
            if asked.set_running_or_notify_cancel():
                asked.set_exception(errors.LeaseLost(OVER))

    def last_state(self) -> bytes | None:
        """Return the state as the next attempt is to find it, None where it is saved."""
        try:
            data = encode_state(self.state)
        except errors.AiojobsError as error:
            text = "job %s: its state cannot be saved, the one before stays"
            log_error(_log, error, text, self._job)
            return None
        return None if data == self._saved else data

    def _send_emitted(self, *, last: bool = False) -> None:
        before = self._emitted
        if self._outbox and (last or before is None or before.done()):
            number = next(self._numbers)
            self._emitted = self._asked[number] = Future[bytes | None]()
            # Others may wait for the room that the worker has then.
            self._emitted.add_done_callback(lambda _: self._something.set())
            self._send(Errand(number, "emit", body=netstring(*self._outbox.take())))

    async def _keep_step(self, name: str, body: bytes) -> None:
        await self._ask("step", name, body)

    async def _ask(
        self,
        what: Literal["save", "step", "take", "keep", "free"],
        name: str = "",
        body: bytes = b"",
        ms: int = 0,
    ) -> bytes | None:
        # First without the lock, which nobody gives back in a copy that was forked meanwhile.
        self.check()
        number = next(self._numbers)
        with self._speaking:
            self.check()
            asked = self._asked[number] = Future[bytes | None]()
            self._send(Errand(number, what, name, body, ms))
        return await asyncio.wrap_future(asked)
