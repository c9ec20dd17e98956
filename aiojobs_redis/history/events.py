"""The lines of a history: one JSON object an event; docs/history.md describes the format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "FINISHES",
    "FORMAT",
    "REORDERED",
    "REPLACED",
    "TERMINAL",
    "Event",
    "decode_event",
    "encode_event",
]

FORMAT = 1
"""Version of the format; a reader refuses a newer one."""

Op = Literal[
    "open",
    "enqueue",
    "claim",
    "start",
    "end",
    "renew",
    "expire",
    "complete",
    "retry",
    "die",
    "snooze",
    "wait",
    "cancel",
    "release",
    "park",
    "replay",
    "move",
    "state",
    "mark",
]
Phase = Literal["invoke", "ok", "fail", "info"]

REPLACED = "replaced"
"""Cause of an enqueue that gave a unique job which was there other arguments and options."""

REORDERED = "reordered"
"""Cause of a mark: tasks have limits, or jobs age, so the order of claims tells nothing."""

FINISHES = frozenset({"complete", "retry", "die", "snooze", "wait", "cancel", "release", "park"})
"""Operations that end a lease."""

TERMINAL = frozenset({"complete", "die", "cancel"})
"""Those of them that end the job's generation too."""


class Event(msgspec.Struct, omit_defaults=True, gc=False):
    """One line.

    Attributes:
        ns: Monotonic time of the recording machine, ns.
        op: What happened.
        phase: ``invoke`` before a call, ``ok`` applied, ``fail`` not applied, ``info`` outcome
            unknown.
        job: The job's id.
        call: Names the call to Redis; a copy that is sent again has the same name.
        token: ``<fence>,<nonce>`` of the lease.
        ms: Time of Redis at which the call was applied, epoch ms; 0 for unknown.
        asked: Of a claim: when its call was first sent, ns.
        generation: Of a claim: 1, and one more with each replay.
        failures: Of a claim: failed attempts of this generation.
        lost: Of a claim: leases of this generation that ran out.
        deliveries: Of a claim: leases that may run out; 0 for unknown.
        lease: Of a claim or renewal: length of the lease, ms.
        due: Of a claim: time of Redis before which the job must not start, epoch ms; 0 for none.
        worker: Of a claim: name of the worker.
        priority: Of an enqueue.
        plain: Of an enqueue: whether the job is ready at once and keeps its place, so that its
            order can be judged.
        expires: Of an enqueue: whether the job may end without ever being claimed.
        added: Of an enqueue: False when the id was taken.
        delay: Of a retry or snooze: ms until the job is ready again.
        attempt: Of a start: number of the attempt.
        attempts: Of a start: attempts that the task has; 0 for unknown.
        cause: Why: of a refusal, of an end, of a mark, or the state; ``corrupt`` for a job that was
            put among the dead because its record and the indexes disagreed.
        format: Of an open: version of the format.
        queue: Of an open: the queue that the lines below it are about.
        process: Of an open: host and process id.
        boot: Of an open: names the clock that ``ns`` was read from.
    """

    ns: int
    op: Op
    phase: Phase = "ok"
    job: str = ""
    call: str = ""
    token: str = ""
    ms: int = 0
    asked: int = 0
    generation: int = 1
    failures: int = 0
    lost: int = 0
    deliveries: int = 0
    lease: int = 0
    due: int = 0
    worker: str = ""
    priority: int = 0
    plain: bool = False
    expires: bool = False
    added: bool = True
    delay: int = 0
    attempt: int = 0
    attempts: int = 0
    cause: str = ""
    format: int = 0
    queue: str = ""
    process: str = ""
    boot: str = ""


encode_event: Callable[[Event], bytes] = msgspec.json.Encoder().encode
decode_event: Callable[[bytes], Event] = msgspec.json.Decoder(Event).decode
