"""The steps of one attempt: what ran, and what is taken from an attempt before.

    begin ── recorded before ──▶ its result, nothing runs
      │
      └── new ── run ── returns ──▶ recorded, by the scribe ──▶ its result
                     └─ raises ───▶ nothing recorded, it runs again with the next attempt

A crash between the effect and its record means that the step runs again: at least once, like the
job itself. A name stands for one step of a job, so the same one twice in an attempt is an error.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from aiojobs_redis.errors import ConfigInvalid, PayloadTooLarge
from aiojobs_redis.extras import LARGEST, MOST_STEPS, netstrings
from aiojobs_redis.payload_codec import netstring
from aiojobs_redis.worker.returned import decode_returned, encode_returned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiojobs_redis.sealing import Kind
    from aiojobs_redis.worker.run import Run

    Convert = Callable[[Kind, bytes, bytes], bytes]

__all__ = ["Steps"]

_LONGEST_NAME = 256


class Steps:
    """The steps of a run.

    Args:
        run: The run.
        seal: Seals what they return.
    """

    def __init__(self, run: Run, seal: Convert) -> None:
        self._run = run
        self._seal = seal
        self._results: dict[str, bytes] = {}
        self._used: set[str] = set()
        self._new: list[bytes] = []
        self._size = 0

    def load(self, stored: bytes, open_sealed: Convert) -> None:
        """Take in what attempts before have recorded.

        Raises:
            PayloadRejected: The queue's codec did not seal it for this step.
        """
        self._size = len(stored)
        texts = list(netstrings(stored))
        for name, body in zip(texts[::2], texts[1::2], strict=False):
            title = name.decode(errors="replace")
            self._results[title] = open_sealed("step", self._place(name), body)

    def begin(self, name: str) -> bool:
        """Note that a step is reached; whether it is done already.

        Raises:
            ConfigInvalid: Its name is none, was used in this attempt, or is one too many.
        """
        size = len(name.encode(errors="replace")) if isinstance(name, str) else 0
        if not 1 <= size <= _LONGEST_NAME:
            raise ConfigInvalid(
                f"the name of a step is a text of 1 to {_LONGEST_NAME} bytes, got {name!r:.80}"
            )
        if name in self._used:
            raise ConfigInvalid(
                f"step {name!r:.80} was reached already in this attempt of job {self._run.id}: "
                "give each step of a job a name of its own, for example with a number"
            )
        if len(self._used) >= MOST_STEPS:
            raise ConfigInvalid(
                f"job {self._run.id} has {MOST_STEPS} steps, the most that one may have: "
                "put several calls into a step, or make jobs of them"
            )
        self._used.add(name)
        return name in self._results

    def result(self, name: str, function: Callable[..., Any]) -> Any:
        """Return what a step returned before, as the function declares it.

        Raises:
            ArgumentsInvalid: It does not fit the annotation, as after a change of it.
        """
        return decode_returned(self._title(name), function, self._results[name])

    async def run(
        self,
        name: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Run a step, and keep what it returns to be recorded.

        Raises:
            ArgumentsInvalid: It cannot be recorded.
            PayloadTooLarge: The steps of the job take more than 1 MiB.
        """
        value = function(*args, **kwargs)
        if inspect.isawaitable(value):
            value = await value
        body = encode_returned(self._title(name), function, value)
        key = name.encode(errors="replace")
        record = netstring(key, self._seal("step", self._place(key), body))
        if self._size + len(record) > LARGEST:
            raise PayloadTooLarge(
                f"step {name!r} of job {self._run.id} has run, but its record of {len(record)} "
                f"bytes is not kept: with {self._size} bytes of other steps it is over the limit "
                f"of {LARGEST}. Store results elsewhere and return references."
            )
        self._size += len(record)
        self._new.append(record)
        self._results[name] = body
        return value

    def take(self) -> bytes:
        """Return what is to be recorded, empty for nothing."""
        new, self._new = b"".join(self._new), []
        return new

    def _title(self, name: str) -> str:
        return f"step {name!r} of job {self._run.id}"

    def _place(self, name: bytes) -> bytes:
        return netstring(self._run.key, name)
