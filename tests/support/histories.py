"""Histories for the tests of their checker, written event by event."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from aiojobs_redis.history.events import FORMAT, Event, Op, Phase, encode_event

__all__ = ["EPOCH", "Book", "token"]

EPOCH = 1_795_000_000_000
"""Time of Redis, ms, at which the books begin."""


def token(fence: int, nonce: str = "ab") -> str:
    """Return a token."""
    return f"{fence},{nonce}{fence:04x}"


class Book:
    """A history in the making, in which each event takes a millisecond.

    Attributes:
        now: Milliseconds since the book began, by every clock.
        events: What was written.
    """

    def __init__(self, queue: str = "q") -> None:
        self.now = 1
        self.events = [Event(1, "open", format=FORMAT, queue=queue, process="p-1", boot="b")]
        self._calls = 0

    def call(self) -> str:
        """Return the name of another call."""
        self._calls += 1
        return f"c.{self._calls}"

    def wait(self, ms: int) -> Self:
        """Let time pass."""
        self.now += ms
        return self

    def add(self, op: Op, job: str = "", phase: Phase = "ok", **fields: Any) -> Self:
        """Write any event."""
        self.now += 1
        fields = {"ns": self.now * 1_000_000, **fields}
        self.events.append(Event(op=op, job=job, phase=phase, **fields))
        return self

    def enqueue(self, job: str, answer: Phase | None = "ok", **fields: Any) -> Self:
        """Enqueue a job that is ready at once; without an answer the outcome is unknown."""
        call, added = self.call(), fields.pop("added", True)
        fields = {"plain": True, **fields}
        self.add("enqueue", job, "invoke", call=call, **fields)
        return self if answer is None else self.add("enqueue", job, answer, call=call, added=added)

    def claim(self, job: str, fence: int, lease: int = 1000, **fields: Any) -> Self:
        """Hand out a job."""
        asked = self.now * 1_000_000 + 500_000
        fields = {"token": token(fence), "asked": asked, "deliveries": 3, "lease": lease, **fields}
        fields = {"call": self.call(), "ms": EPOCH + self.now + 1, **fields}
        return self.add("claim", job, **fields)

    def start(self, job: str, fence: int, **fields: Any) -> Self:
        """Start an attempt."""
        fields = {"attempt": 1, "attempts": 3, "token": token(fence), **fields}
        return self.add("start", job, **fields)

    def finish(
        self, op: Op, job: str, fence: int, answer: Phase | None = "ok", **fields: Any
    ) -> Self:
        """End a lease; without an answer the outcome is unknown."""
        values = {"call": fields.pop("call", None) or self.call(), "token": token(fence)}
        ms = fields.pop("ms", None)
        self.add(op, job, "invoke", **values, **fields)
        if answer is None:
            return self
        return self.add(op, job, answer, **values, ms=EPOCH + self.now + 1 if ms is None else ms)

    def renew(self, job: str, fence: int, lease: int = 1000, **fields: Any) -> Self:
        """Renew a lease."""
        ms = EPOCH + self.now + 1
        return self.add("renew", job, **{"token": token(fence), "lease": lease, "ms": ms, **fields})

    def run(self, job: str, fence: int, **fields: Any) -> Self:
        """Claim a job, run it, complete it."""
        self.claim(job, fence, **fields).start(job, fence, attempt=fields.get("failures", 0) + 1)
        self.add("end", job, token=token(fence), cause="c")
        return self.finish("complete", job, fence)

    def drained(self) -> Self:
        """Say that all work is done."""
        return self.add("mark", cause="drained")

    def text(self) -> bytes:
        """Return the lines."""
        return b"".join(encode_event(event) + b"\n" for event in self.events)

    def save(self, path: Path) -> Path:
        """Write the lines to a file."""
        path.write_bytes(self.text())
        return path
