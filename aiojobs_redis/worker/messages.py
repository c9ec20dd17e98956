"""What a worker and a process of its jobs say to each other, as MessagePack frames.

    worker ── Load ──▶ process        worker ── Work ──▶ process        worker ── Stop ──▶ process
           ◀── Loaded ──                     ◀── Said, any number ──
                                             ◀── Errand, any number ──
                                             ── Done, for each ──▶
                                             ◀── Ended ──

Arguments and results travel as the bytes that Redis holds. A frame is its length in four bytes,
then the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from aiojobs_redis.verdict import Verdict  # noqa: TC001 - annotations are read at run time
from aiojobs_redis.worker.place import Place  # noqa: TC001

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "HEAD",
    "Answer",
    "Done",
    "Ended",
    "Errand",
    "Load",
    "Loaded",
    "Request",
    "Said",
    "Stop",
    "Work",
    "frame",
    "read_answer",
    "read_request",
]

HEAD = 4


class Load(msgspec.Struct, array_like=True, tag="load"):
    """Import the module of a task."""

    place: Place


class Loaded(msgspec.Struct, array_like=True, tag="loaded"):
    """It is imported, or why not: type, message and traceback of the error."""

    error: tuple[str, str, str] | None = None


class Work(msgspec.Struct, array_like=True, tag="work"):
    """Run an attempt.

    Attributes:
        place: Where its function stands.
        call: The encoded arguments.
        options: What of the policy is data: ``attempts``, ``backoff``.
        id: Id of the job; what follows is for its context.
        parents: Ids and encoded results of the jobs on which it depends, where its task asks.
        state: What attempts before have saved, encoded, empty for nothing.
        steps: What their steps returned, encoded, by name.
    """

    place: Place
    call: bytes
    options: dict[str, Any]
    id: str
    task: str
    queue: str
    attempt: int
    generation: int
    lost_deliveries: int
    fencing_token: int
    headers: dict[str, str]
    header: bytes
    parents: list[tuple[str, bytes]] = []
    state: bytes = b""
    steps: dict[str, bytes] = {}


class Stop(msgspec.Struct, array_like=True, tag="stop"):
    """The attempt is to end; why, where somebody cancelled it and gave a reason."""

    cancel_reason: str | None = None
    timed_out: bool = False


class Done(msgspec.Struct, array_like=True, tag="done"):
    """What became of an errand.

    Attributes:
        number: That of the errand.
        body: What it brought, None for nothing.
        error: Type and message of the error, where it failed.
    """

    number: int
    body: bytes | None = None
    error: tuple[str, str] | None = None


class Ended(msgspec.Struct, array_like=True, tag="ended"):
    """How the attempt ended.

    Attributes:
        verdict: How.
        state: What it leaves for the next one, encoded; None where that has not changed.
    """

    verdict: Verdict
    state: bytes | None = None


class Said(msgspec.Struct, array_like=True, tag="said"):
    """What the running job says; no answer to anything.

    Attributes:
        progress: What it said last of how far it is, encoded; None for nothing new.
        lines: New entries of its log, encoded.
    """

    progress: bytes | None
    lines: list[bytes]


class Errand(msgspec.Struct, array_like=True, tag="errand"):
    """What the running job asks of its worker, which has the connection to Redis and the lease.

    Attributes:
        number: One higher an errand of this attempt.
        what: ``save`` the state, record a ``step``, ``take`` an idempotent call, ``keep`` what it
            returned, or set it ``free``; ``emit`` events, which is answered when there is room for
            more.
        name: Of the step, or key of the call.
        body: The state or what was returned, encoded; a list of events, each encoded.
        ms: For how long what a call returned is kept.
    """

    number: int
    what: Literal["save", "step", "take", "keep", "free", "emit"]
    name: str = ""
    body: bytes = b""
    ms: int = 0


Request = Load | Work | Stop | Done
Answer = Loaded | Ended

_encode = msgspec.msgpack.Encoder().encode
read_request: Callable[[bytes], Any] = msgspec.msgpack.Decoder(Load | Work | Stop | Done).decode
read_answer: Callable[[bytes], Any] = msgspec.msgpack.Decoder(Loaded | Ended | Said | Errand).decode


def frame(message: Request | Answer | Said | Errand) -> bytes:
    """Return a message as it is sent."""
    data = _encode(message)
    return len(data).to_bytes(HEAD, "big") + data
