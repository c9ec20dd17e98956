"""Jobs that depend on jobs of other queues: how these are named, and how queues tell each other.

Two queues may be on two nodes of a Cluster, so no script sees both. Each step is one script of one
queue, may be repeated, and is noted there before the next one begins:

    child's queue ─ expect ─▶ parent's queue: "we wait for this job", or how it ended
    parent ends: its script notes that the queue is to be told (`outbox.lua`)
    parent's queue ─ hear ─▶ child's queue: "it has ended", with its result; then it is crossed out

    child's queue knows of a parent      parent's queue has of the child's
    nothing                              nothing, or b: from before the child was written
    q  it has not ended, ?: ask          b  it waits for the end
    q  as before                         c  ended, to be told
    c d x g  ended, and its value        g  was told; needed for the job to be run again only

Whoever ends a parent hands the news over; so do the producer that adds a flow, and, each second,
the leader of the parent's queue. Every few seconds the leader of the child's queue asks for what it
is still to be told, and so makes up for all that was lost.

Races that it closes:
- The parent ends between the first look at it and the write of the child: it is asked for again
  once the child is written. A crash in between is made up for by either leader.
- The parent is to be forgotten before its end was told: it is kept while a queue waits.
- A telling that arrives late, after a later one: each has a number, and lower ones change nothing.
- What a queue was told, or is being told, is of a parent that has gone on since, or of one that had
  its id before: a new child does not count it, and waits to be told anew. Until then its queue
  asks, `?`. What is on its way while the child comes has a number below that which the producer got
  before it wrote the child: from then on that counts as late.
- A child died of its parent, whose id another job has by now: each telling says when its job was
  enqueued, and who died of one of another time stays dead. So does who died of one that is gone.
- A parent that goes on while news of it is on its way: the message has the stamp of what it was
  made from, and is crossed out only while that is still true.
- Two workers that hand over at once: one does, for two seconds at most; twice would do no harm.
- A flow over many queues of which only some parts were written: their jobs wait for a gate, which
  the script opens that writes the last part. One that does not open within a minute has no flow
  behind it, and what waits for it is cancelled.
- Word that a gate is open is still to be told while a flow with the same ids, and so the same gate,
  is added again: it is handed over before the first part of that is written.
- A queue that was destroyed: its jobs are gone, and who waits for them is told so.
- A parent that is gone, whose id another job got before that was told, and that one waits for the
  child, by way of whatever queues: see `circles.py`.
"""

from __future__ import annotations

import contextlib
import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import AiojobsError, JobNotFound

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from aiojobs_redis._redis.store import Store

__all__ = [
    "Found",
    "ask_again",
    "check_abroad",
    "gate_id",
    "hand_over",
    "is_abroad",
    "learn_abroad",
    "name_abroad",
    "split_name",
]

_MARK = "\udcff"
"""What stands in front of a name as text: a byte that no UTF-8 has, and so no id."""
_PATIENCE_MS = 60_000
_PAGE = 100

Found = Callable[[str, "Sequence[Sequence[bytes]]"], object]
"""Takes a queue and what became there of jobs that no worker reported, as in `Beat.told`."""


def name_abroad(queue: str, id: str) -> str:
    """Return how a job of another queue is called among the parents of a job."""
    return f"{_MARK}{queue},{id}"


def is_abroad(name: str) -> bool:
    """Whether a name is that of a job of another queue."""
    return name.startswith(_MARK)


def gate_id(text: str) -> str:
    """Return the id of a gate, which no job can have."""
    return _MARK + text


def split_name(name: str | bytes) -> tuple[str | None, str]:
    """Return the queue of a parent, None for the job's own, and its id."""
    text = name if isinstance(name, str) else name.decode(errors="surrogateescape")
    if not text.startswith(_MARK):
        return None, text
    queue, _, id = text[1:].partition(",")
    return queue, id


def _by_queue(names: Iterable[str]) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        queue, id = split_name(name)
        if queue is not None:
            found[queue].append(id)
    return found


async def check_abroad(
    store: Store, names: Iterable[str], inside: Collection[str] = ()
) -> dict[str, int]:
    """See that jobs of other queues are there, and that they are kept until their end is told.

    Args:
        store: The queue whose jobs are to depend on them.
        names: Their names; those of its own jobs are passed over.
        inside: Those that need not be there, since they are added with them.

    Returns:
        By queue, a number that is higher than any that it has given to what it told before.

    Raises:
        JobNotFound: One is not there.
        QueueUnavailable: Redis did not answer.
    """
    floors: dict[str, int] = {}
    for queue, own in _by_queue(names).items():
        ids = [id for id in own if name_abroad(queue, id) not in inside]
        # Of a queue with nothing to look for the number is asked for all the same.
        for at in range(0, len(ids) or 1, _PAGE):
            page = ids[at : at + _PAGE]
            floors[queue], known = await _expect(store, queue, page, values=False)
            if any(id.startswith(_MARK) and letter == "c" for id, (letter, _) in known.items()):
                # That a flow with the same ids was there, which is told before the floor.
                with contextlib.suppress(AiojobsError):
                    await hand_over(store.beside(queue), at_once=True)
                floors[queue], known = await _expect(store, queue, page, values=False)
            gone = next((id for id, (letter, _) in known.items() if letter == "g"), None)
            if gone is not None:
                raise JobNotFound(
                    f"a job of queue {store.queue} cannot depend on job {gone}: there is no record "
                    f"of it in queue {queue}. It never was enqueued there, or its retention "
                    "ended. Nothing was written."
                )
    return floors


def _nobody(queue: str, told: Sequence[Sequence[bytes]]) -> None:
    """Log nothing: a caller did it, and no worker."""


async def learn_abroad(store: Store, names: Iterable[str], found: Found = _nobody) -> None:
    """Ask other queues for jobs of theirs, and tell this one of those that have ended.

    Args:
        store: The queue whose jobs depend on them.
        names: Their names; those of its own jobs are passed over.
        found: Told what came of it.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    await _learn(store, dict.fromkeys(names, 0), found)


async def _learn(store: Store, waited: Mapping[str, int], found: Found) -> None:
    for queue, ids in _by_queue(waited).items():
        for at in range(0, len(ids), _PAGE):
            left = ids[at : at + _PAGE]
            while left:
                number, known = await _expect(store, queue, left, values=True)
                rows: list[Any] = []
                for id, (stamp, value) in known.items():
                    name, letter = name_abroad(queue, id), stamp[-1]
                    # A flow is written part by part: what is not there yet may come.
                    if letter == "q" or (letter in "gw" and waited[name] < _PATIENCE_MS):
                        continue
                    told = "g" if letter == "w" else stamp
                    rows += (_encoded(name), number, told, value)
                if rows:
                    await _hear(store, rows, found)
                left = left[len(known) :]


async def _hear(store: Store, rows: Sequence[Any], found: Found) -> str:
    known, *told = await store.ask("hear", *rows)
    if told:
        found(store.queue, told[0])
    return str(known.decode())


async def _expect(
    store: Store, queue: str, ids: Sequence[str], *, values: bool
) -> tuple[int, dict[str, tuple[str, bytes]]]:
    number, *flat = await store.beside(queue).ask(
        "expect", store.queue, int(values), *map(_encoded, ids)
    )
    stamps = (stamp.decode() for stamp in flat[::2])
    return int(number), dict(zip(ids, zip(stamps, flat[1::2], strict=True), strict=False))


async def ask_again(store: Store, after: bytes, found: Found) -> bytes:
    """Ask for what jobs of this queue still wait for, a page of it; return where to go on.

    Args:
        store: The queue.
        after: Where to go on.
        found: Told what came of it.

    Raises:
        QueueUnavailable: Redis did not answer.
    """
    flat = await store.ask("asking", after)
    names = [name.decode(errors="surrogateescape") for name in flat[::2]]
    failed: AiojobsError | None = None
    for queue, ids in _by_queue(names).items():
        own = {name_abroad(queue, id) for id in ids}
        try:
            waited = {name: int(ms) for name, ms in _pairs(names, flat) if name in own}
            await _learn(store, waited, found)
        except AiojobsError as error:
            failed = error
    if failed is not None:
        raise failed
    return flat[-2] if len(names) == _PAGE else b""


def _pairs(names: Sequence[str], flat: Sequence[Any]) -> Iterable[tuple[str, Any]]:
    return zip(names, flat[1::2], strict=True)


async def hand_over(
    store: Store, who: str | None = None, found: Found = _nobody, *, at_once: bool = False
) -> None:
    """Tell other queues what they are to be told of jobs of this one, until nothing is left.

    Args:
        store: The queue.
        who: Names the caller, the same for its next call after one that failed.
        found: Told what came of it in the other queues.
        at_once: Whether to do it also while somebody else does: once this returns, all is told.

    Raises:
        QueueUnavailable: Redis did not answer; the others were told.
    """
    who, after, failed = who or ("!" if at_once else "") + secrets.token_hex(8), b"", None
    taken: list[Any] = []
    while True:
        number, *flat = await store.ask("post", who, after, *taken)
        taken = []
        messages = [flat[at : at + 4] for at in range(0, len(flat), 4)]
        if not messages:
            break
        by_queue: dict[bytes, list[list[Any]]] = defaultdict(list)
        for message in messages:
            by_queue[message[0]].append(message)
        for queue, own in by_queue.items():
            try:
                taken += await _tell(store, queue, number, own, found)
            except AiojobsError as error:
                failed = error
        if failed is not None:
            # What one queue did not take must not keep others waiting.
            after = b">%b,%b" % tuple(messages[-1][:2])
    if failed is not None:
        raise failed


async def _tell(
    store: Store, queue: bytes, number: bytes, messages: list[list[Any]], found: Found
) -> list[Any]:
    rows: list[Any] = []
    for _, id, stamp, value in messages:
        name = b"\xff%b,%b" % (store.queue.encode(), id)
        rows += (name, number, stamp, value)
    known = await _hear(store.beside(queue.decode()), rows, found)
    taken: list[Any] = []
    for (_, id, stamp, _), flag in zip(messages, known, strict=True):
        taken += (queue, id, stamp, flag)
    return taken


def _encoded(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
