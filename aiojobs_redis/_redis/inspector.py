"""The read side of one queue, for handles, the command line and the dashboard."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import msgspec

from aiojobs_redis._redis.remains import open_progress
from aiojobs_redis._redis.sealed_errors import CalledLine, ErrorLine, SealedLine, open_line
from aiojobs_redis._redis.store import PATIENCE
from aiojobs_redis.codec import decode_untyped
from aiojobs_redis.duration import from_ms
from aiojobs_redis.errors import ArgumentsInvalid, PayloadRejected
from aiojobs_redis.job import (
    Counts,
    JobError,
    JobInfo,
    JobState,
    PriorityInfo,
    WorkerInfo,
    WorkerState,
)
from aiojobs_redis.metrics import read_metrics
from aiojobs_redis.spec import Spec, enqueued_ms, read_header, read_spec, whole
from aiojobs_redis.unique import sealed_for

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.metrics import Metrics
    from aiojobs_redis.sealing import Kind, Sealing

__all__ = ["STATES", "STATE_LETTERS", "WORDS", "Inspector", "Walked", "error_line", "read_errors"]

STATE_LETTERS = {
    JobState.SCHEDULED: "s",
    JobState.QUEUED: "q",
    JobState.BLOCKED: "b",
    JobState.RUNNING: "r",
    JobState.RETRYING: "t",
    JobState.COMPLETED: "c",
    JobState.DEAD: "d",
    JobState.CANCELLED: "x",
}
STATES = {letter: state for state, letter in STATE_LETTERS.items()}

# The order in which counts.lua returns the states.
_COUNTED = (
    *("queued", "scheduled", "blocked", "running"),
    *("retrying", "completed", "dead", "cancelled"),
)

WORDS = {"q": "quiet", "r": "resume", "s": "stop"}
"""What an operator may ask of a worker, by the letter that ask_worker.lua takes."""

PAGE = 250
_NEXT_MS = 0.002


class Walked(NamedTuple):
    """A part of a walk: the moment since which its jobs are in the state, and their ids."""

    moment: int
    ids: list[str]


class _Registration(msgspec.Struct):
    host: str
    pid: int
    version: str
    started_at: float
    concurrency: int
    running: int
    tasks: list[str] = []
    state: WorkerState = WorkerState.RUNNING


_encode = msgspec.json.Encoder().encode
_error_line = msgspec.json.Decoder(SealedLine).decode
_registration = msgspec.json.Decoder(_Registration).decode


def error_line(
    kind: str, message: str, traceback: str = "", attempt: int = 1, call: str = ""
) -> bytes:
    """Return an error as recorded: JSON on one line, the message cut at 4 KiB, the trace at 32.

    Args:
        kind: Name of the exception's type, or the reason why the job ended.
        message: Its text.
        traceback: Its traceback.
        attempt: In which attempt.
        call: Tells it from a line that is otherwise the same, of another call in the same ms.
    """
    at = time.time_ns() // 1_000_000
    texts = (_clean(message[:4096])[:4096], _clean(traceback[-32768:])[-32768:])
    # A character that the cut goes through is left out.
    cut = [text.decode(errors="ignore") for text in texts]
    line = (kind[:256], cut[0], cut[1], at, attempt)
    return _encode(CalledLine(*line, call) if call else ErrorLine(*line))


def _clean(text: str) -> bytes:
    # A lone surrogate, as in the name of an undecodable file, has no form in JSON.
    return text.encode(errors="replace")


def read_errors(lines: bytes, sealing: Sealing | None, job: bytes) -> list[JobError]:
    """Decode the recorded errors of a job, oldest first.

    Args:
        lines: The errors, a line each.
        sealing: Opens their texts where the queue seals them.
        job: Id of the job, in UTF-8.
    """
    found: list[JobError] = []
    for line in lines.splitlines():
        error: ErrorLine
        try:
            error = open_line(_error_line(line), sealing, job)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            text = line.decode(errors="replace")[:200]
            error = open_line(SealedLine("Undecodable", text), sealing, job)
        found.append(
            JobError(error.type, error.message, error.traceback, from_ms(error.at), error.attempt)
        )
    return found


def _moment(text: str) -> Any:
    try:
        return from_ms(float(text)) if text else None
    except ValueError:
        return None


class Inspector:
    """Reads one queue.

    Args:
        store: The queue.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def counts(self, patience: float = PATIENCE) -> Counts:
        """Return how many jobs are in each state.

        Args:
            patience: As for `Store.ask`.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        *sizes, workers, paused, oldest_ms = await self._store.ask("counts", patience=patience)
        return Counts(
            **dict(zip(_COUNTED, sizes, strict=True)),
            workers=workers,
            paused=bool(paused),
            oldest_seconds=None if oldest_ms < 0 else oldest_ms / 1000,
        )

    async def priorities(self) -> list[PriorityInfo]:
        """Return the queued jobs of each priority, the highest first.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        found: list[PriorityInfo] = []
        after: Any = 0
        while after != b"":
            after, flat = await self._store.ask("priorities", after)
            for priority, queued, wait in zip(flat[::3], flat[1::3], flat[2::3], strict=True):
                oldest = None if wait < 0 else wait / 1000
                found.append(PriorityInfo(priority, queued, oldest))
        return found

    async def metrics(self, minutes: int) -> Metrics:
        """Return what was counted in the last minutes, the running one included.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        first, after, last, flat = await self._store.ask("metrics", minutes, 0)
        while after >= 0:
            _, after, last, more = await self._store.ask("metrics", minutes, after)
            flat += more
        return read_metrics(first, last, flat)

    async def states(self, ids: Sequence[str]) -> dict[str, JobState | None]:
        """Return the state of each job, None for one there is no record of.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        found: dict[str, JobState | None] = {}
        for at in range(0, len(ids), 1000):
            page = ids[at : at + 1000]
            letters = await self._store.ask("states", *page)
            found |= {
                job: STATES.get(letter.decode()) for job, letter in zip(page, letters, strict=True)
            }
        return found

    async def ids(self, state: JobState, offset: int, limit: int) -> list[str]:
        """Return one page of the ids of a state, at most 1,000.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        found = await self._store.ask("page", STATE_LETTERS[state], offset, limit)
        # What is no text was written by somebody else, and is no reason not to show the others.
        return [job.decode(errors="replace") for job in found]

    async def walk(
        self, state: JobState, moment: int = 0, *, last: int | None = None
    ) -> AsyncIterator[Walked]:
        """Yield the ids of a state, 250 at most at a time, in the order of its index.

        Each job that has been in the state since the moment, at one place, comes once, whatever
        others leave meanwhile. One that has left comes no more, also if it is back again, and
        neither does one that was not there yet.

        Args:
            state: Scheduled, retrying, dead, cancelled or completed.
            moment: ms of the server's clock; 0 for when this begins.
            last: Where that is earlier than when this begins, it is the moment.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        # What completed and has a retention of its own stands in an index of its own.
        begin = 0 if last is None else f"<{last}"
        for letter in "ck" if state is JobState.COMPLETED else STATE_LETTERS[state]:
            place: list[Any] = []
            while True:
                since = moment or begin
                told, ids, *place = await self._store.ask("walk", letter, since, PAGE, *place)
                if not moment:
                    # What comes of these jobs is to be later than that, in whole milliseconds.
                    await asyncio.sleep(_NEXT_MS)
                moment = int(told)
                yield Walked(moment, [job.decode(errors="replace") for job in ids])
                if not place:
                    break

    async def infos(self, ids: Sequence[str]) -> list[JobInfo]:
        """Return the records of jobs, in order, without those there is no record of.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        return [info async for part in self.parts(ids) for info in part]

    async def parts(self, ids: Sequence[str]) -> AsyncGenerator[list[JobInfo]]:
        """Yield the records of jobs, in order, of some 4 MiB of arguments at a time.

        Who looks into many jobs and keeps few of them need not hold the arguments of all.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        at = 0
        while at < len(ids):
            rows = await self._store.ask("inspect", *ids[at : at + PAGE])
            # A page of large jobs comes back in part; the rest is asked for again.
            at += max(len(rows), 1)
            yield [info for row in rows if (info := self._info(*row)) is not None]

    async def workers(self) -> list[WorkerInfo]:
        """Return the workers that were seen in the last minute.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        found: list[WorkerInfo] = []
        rows = await self._store.ask("registry")
        for name, text, word in zip(rows[::3], rows[1::3], rows[2::3], strict=True):
            seen, _, body = text.partition(b",")
            try:
                entry = _registration(body)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                # Of another version, or damaged: the others are shown.
                continue
            found.append(
                WorkerInfo(
                    id=name.decode(errors="replace"),
                    host=entry.host,
                    pid=entry.pid,
                    version=entry.version,
                    started_at=from_ms(entry.started_at),
                    heartbeat_at=from_ms(whole(seen.decode(errors="replace"), 0)),
                    concurrency=entry.concurrency,
                    running=entry.running,
                    tasks=tuple(entry.tasks),
                    state=entry.state,
                    asked=WORDS.get(word[:1].decode(errors="replace")),
                )
            )
        return sorted(found, key=lambda worker: worker.id)

    def _info(
        self, job: bytes, blob: bytes, run: bytes, errors: bytes, due: bytes, progress: bytes
    ) -> JobInfo | None:
        if not blob:
            return None
        head, _, body = blob.partition(b"\n")
        header = read_header(head)
        fields = (
            run.decode(errors="replace").split(",", 10) if run else ["q", "", "", "", "1", "0", "0"]
        )
        fields += [""] * (11 - len(fields))
        letter, _, _, _, generation, failures, lost, worker, started, finished, current = fields
        header |= read_header(current.encode())
        if letter not in STATES:
            return None
        spec, args, kwargs = _read(body, self._store.sealing, *sealed_for(read_header(head), job))
        state = STATES[letter]
        enqueued = from_ms(enqueued_ms(header))
        return JobInfo(
            id=job.decode(errors="replace"),
            task=spec.task,
            queue=self._store.queue,
            state=state,
            priority=whole(header.get("p", ""), 0),
            args=args,
            kwargs=kwargs,
            headers=spec.headers,
            attempt=whole(failures, 0) + 1,
            attempts=spec.options.get("attempts"),
            lost_deliveries=whole(lost, 0),
            generation=whole(generation, 1),
            worker=worker or None,
            enqueued_at=enqueued,
            run_at=_moment(due.decode(errors="replace") or header.get("w", "")) or enqueued,
            started_at=_moment(started),
            finished_at=_moment(finished),
            progress=open_progress(progress, self._store.sealing, job),
            key=unquote(header["g"]) if "g" in header else None,
            errors=read_errors(errors, self._store.sealing, job),
        )


def _read(
    body: bytes, sealing: Sealing | None, kind: Kind, id: bytes
) -> tuple[Spec, list[Any], dict[str, Any]]:
    try:
        spec = read_spec(body if sealing is None else sealing.open(kind, id, body))
        args, kwargs = decode_untyped(spec.call)
    except (ArgumentsInvalid, PayloadRejected):
        # What cannot be decoded is shown as it is: it must not hide the others of a list.
        return Spec(0, "?", msgspec.Raw()), [body[:1000]], {}
    return spec, list(args), kwargs
