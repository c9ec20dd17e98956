"""The process in which jobs of CPU-bound tasks run, one at a time: what runs in there.

The main thread runs the functions. A second one reads what the worker says, so that a running
function sees that it is to stop, and so that the process ends at once when the worker is gone,
however that died. A function that lets no thread run is ended by the system then: see `orphan`.

Signals of the terminal and of a service manager reach the whole group, so this process leaves them
to the worker: it lets jobs finish and then ends its processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from aiojobs_redis.codec import CallCodec
from aiojobs_redis.context import JobContext, enter_job
from aiojobs_redis.errors import ArgumentsInvalid
from aiojobs_redis.options import LIBRARY_DEFAULTS
from aiojobs_redis.parents import fill_parameters, parent_parameters
from aiojobs_redis.policy import Policy, policy_of
from aiojobs_redis.printing import message_of, printed
from aiojobs_redis.task import Task
from aiojobs_redis.verdict import Verdict, describe, encoded_result, judge
from aiojobs_redis.worker import place
from aiojobs_redis.worker.asking import Asking
from aiojobs_redis.worker.forks import copies, end_copy
from aiojobs_redis.worker.messages import (
    HEAD,
    Done,
    Ended,
    Errand,
    Load,
    Loaded,
    Said,
    Stop,
    Work,
    frame,
    read_request,
)
from aiojobs_redis.worker.orphan import die_with

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.signature import Encoded
    from aiojobs_redis.worker.messages import Answer, Request

__all__ = ["main"]

_LEFT_TO_THE_WORKER = ("SIGINT", "SIGTERM", "SIGTSTP", "SIGTTIN", "SIGTTOU")


class _Attempt:
    """The lease of the running job, as its context sees it; the worker renews it."""

    def __init__(self, work: Work, send: Callable[[Said | Errand], None]) -> None:
        self.notes: Asking = Asking(work, send)
        self.told: threading.Event = threading.Event()
        self.cancel_reason: str | None = None
        self.timed_out: bool = False
        self.revoked: asyncio.Event = asyncio.Event()
        self.context: JobContext = JobContext(
            self,
            id=work.id,
            task=work.task,
            queue=work.queue,
            attempt=work.attempt,
            generation=work.generation,
            lost_deliveries=work.lost_deliveries,
            headers=work.headers,
            fencing_token=work.fencing_token,
            header=work.header,
        )

    @property
    def stopping(self) -> bool:
        """Whether it is to end."""
        return self.told.is_set()

    @property
    def store(self) -> Store:
        """Refuse: this process has no connection to Redis."""
        raise RuntimeError(
            "a job in a process has no connection to Redis: take the results of the jobs on which "
            "it depends as a parameter annotated FromParents[...]"
        )

    async def extend(self, ms: int) -> None:
        """Refuse: whatever this process does, its worker renews the lease."""
        raise RuntimeError(
            "a job in a process needs no extend(): its worker renews the lease however busy the "
            "process is"
        )


class _Known(NamedTuple):
    """A function that was found, and what is needed to run it."""

    function: Callable[..., Any]
    codec: CallCodec
    policy: Policy
    parents: Mapping[str, Callable[[Encoded], Any]]


class _Child:
    """Answers its worker until that closes the line.

    Args:
        requests: Where frames of the worker come from.
        answers: Where frames to it go.
    """

    def __init__(self, requests: BinaryIO, answers: BinaryIO) -> None:
        self._requests = requests
        self._answers = answers
        self._todo: queue.SimpleQueue[Load | tuple[Work, _Attempt] | None] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._copies = copies()
        self._asked = self._answered = 0
        self._functions: dict[place.Place, _Known] = {}

    def serve(self) -> None:
        """Do what is asked for, until the worker needs this process no more."""
        threading.Thread(target=self._listen, name="aiojobs-worker-line", daemon=True).start()
        while (request := self._todo.get()) is not None:
            self._send(self._answer(request))
            self._answered += 1

    def _listen(self) -> None:
        attempt: _Attempt | None = None
        while (request := self._read()) is not None:
            if isinstance(request, Stop):
                if attempt is not None:
                    attempt.cancel_reason = request.cancel_reason
                    attempt.timed_out = request.timed_out
                    attempt.notes.stopping = True
                    attempt.told.set()
                continue
            if isinstance(request, Done):
                if attempt is not None:
                    attempt.notes.hear(request)
                continue
            self._asked += 1
            if isinstance(request, Work):
                attempt = _Attempt(request, self._send)
                self._todo.put((request, attempt))
            else:
                self._todo.put(request)
        if self._asked > self._answered:
            # The worker is gone, and with it whoever wants the result.
            os._exit(1)
        self._todo.put(None)

    def _read(self) -> Request | None:
        head = self._requests.read(HEAD)
        if len(head) < HEAD:
            return None
        size = int.from_bytes(head, "big")
        data = self._requests.read(size)
        return read_request(data) if len(data) == size else None

    def _send(self, answer: Answer | Said | Errand) -> None:
        with contextlib.suppress(BrokenPipeError), self._sending:
            self._answers.write(frame(answer))
            self._answers.flush()

    def _answer(self, request: Load | tuple[Work, _Attempt]) -> Answer:
        if isinstance(request, tuple):
            work, attempt = request
            # What it sets in a ContextVar, the next job does not see.
            verdict = contextvars.copy_context().run(self._run, work, attempt)
            attempt.notes.end()
            # Also where it has returned: a middleware may fail the attempt, or the worker end it.
            return Ended(verdict, attempt.notes.last_state())
        try:
            self._find(request.place)
        except BaseException as error:
            text = printed(error, error.__traceback__)
            return Loaded((type(error).__name__, message_of(error), text))
        return Loaded()

    def _find(self, where: place.Place) -> _Known:
        known = self._functions.get(where)
        if known is None:
            found = place.find(place.import_place(where), where.name)
            if isinstance(found, Task):
                known = _Known(found.function, found.codec, policy_of(found), found.from_parents)
            elif callable(found):
                # Registered elsewhere: what its policy needs comes with each job.
                policy = Policy(1, None, LIBRARY_DEFAULTS.values["backoff"], None, None, "process")
                parents = parent_parameters(found, where.name)
                codec = CallCodec(found, name=where.name, exclude=frozenset(parents))
                known = _Known(found, codec, policy, parents)
            else:
                raise ImportError(
                    f"{where.module or where.script} has no function {where.name!r} when another "
                    "process imports it"
                )
            self._functions[where] = known
        return known

    def _run(self, work: Work, attempt: _Attempt) -> Verdict:
        function, codec, policy, parents = self._find(work.place)
        enter_job(attempt)
        try:
            args, kwargs = codec.decode(work.call)
        except ArgumentsInvalid as error:
            return Verdict("d", "", describe(error, work.attempt), "ArgumentsInvalid")
        try:
            kwargs = {**kwargs, **fill_parameters(parents, work.task, work.parents)}
            value = function(*args, **kwargs)
            if inspect.isawaitable(value):
                value = asyncio.run(_awaited(value))
            end_copy(self._copies)
            return Verdict("c", "", encoded_result(codec, value))
        except BaseException as error:
            end_copy(self._copies, error)
            return asyncio.run(judge(error, attempt.context, policy.override(work.options)))


async def _awaited(value: Any) -> Any:
    return await value


def _cut(line: tuple[int, int]) -> None:
    """Take the line to the worker from a copy that a task forks: what it says is no answer."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for end in line:
        os.dup2(nothing, end)
    os.close(nothing)


def _shrug(number: int, _: FrameType | None) -> None:
    """Leave a signal to the worker; what was forked from here obeys it as usual."""
    if os.getpid() != _PID:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


_PID = os.getpid()


def main(worker: int) -> None:
    """Serve the worker at the other end of standard input and output.

    What tasks print goes to standard error, where it harms no frame.

    Args:
        worker: Id of the process with which this one is to end; 0 leaves that to the line.
    """
    die_with(worker)
    place.in_child = True
    for name in _LEFT_TO_THE_WORKER:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _shrug)
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as answers:
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(2, 1)
        if hasattr(os, "register_at_fork"):
            line = (requests.fileno(), answers.fileno())
            os.register_at_fork(after_in_child=lambda: _cut(line))
        try:
            _Child(requests, answers).serve()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
