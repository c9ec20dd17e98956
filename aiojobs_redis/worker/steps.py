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

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.extras import MOST_STEPS
from aiojobs_redis.signature import result_of
from aiojobs_redis.worker.returned import decode_returned, encode_returned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

__all__ = ["Steps"]

_LONGEST_NAME = 256


class Steps:
    """The steps of an attempt, wherever it runs.

    Args:
        job: Id of its job.
        keep: Records what the step of that name returned, encoded; it returns once that is stored.

    Attributes:
        results: What attempts before have recorded, encoded, by the name of the step.
    """

    def __init__(self, job: str, keep: Callable[[str, bytes], Awaitable[None]]) -> None:
        self.results: dict[str, bytes] = {}
        self._job = job
        self._keep = keep
        self._used: set[str] = set()

    async def run(
        self,
        name: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Run a step, or return what it returned in an attempt before.

        Raises:
            ConfigInvalid: Its name is none, was used in this attempt, or is one too many; or what
                its function says that it returns is no type. Nothing ran.
            ArgumentsInvalid: What it returned cannot be recorded, or does not fit the annotation.
            PayloadTooLarge: The steps of the job take more than 1 MiB.
            LeaseLost: The lease is somebody else's by now; nothing was recorded.
        """
        title = f"step {name!r} of job {self._job}"
        known = self._begin(name)
        # One whose result could not be recorded would run in each attempt.
        returns = result_of(function, name=title)
        if known:
            return decode_returned(title, returns, self.results[name])
        value = function(*args, **kwargs)
        if inspect.isawaitable(value):
            value = await value
        body = encode_returned(title, returns, value)
        await self._keep(name, body)
        self.results[name] = body
        return value

    def _begin(self, name: str) -> bool:
        size = len(name.encode(errors="replace")) if isinstance(name, str) else 0
        if not 1 <= size <= _LONGEST_NAME:
            raise ConfigInvalid(
                f"the name of a step is a text of 1 to {_LONGEST_NAME} bytes, got {name!r:.80}"
            )
        if name in self._used:
            raise ConfigInvalid(
                f"step {name!r:.80} was reached already in this attempt of job {self._job}: "
                "give each step of a job a name of its own, for example with a number"
            )
        if len(self._used) >= MOST_STEPS:
            raise ConfigInvalid(
                f"job {self._job} has {MOST_STEPS} steps, the most that one may have: "
                "put several calls into a step, or make jobs of them"
            )
        self._used.add(name)
        return name in self.results
