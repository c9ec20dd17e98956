"""What an attempt calls and has recorded before it goes on: its steps, and calls made once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiojobs_redis.once import Once
    from aiojobs_redis.worker.once import OnceCalls
    from aiojobs_redis.worker.steps import Steps

__all__ = ["Calls"]


class Calls(ABC):
    """The part of what an attempt leaves that is the same in a worker and in a process of a job."""

    _steps: Steps
    _once: OnceCalls

    @abstractmethod
    def check(self) -> None:
        """Refuse what comes after the attempt.

        Raises:
            LeaseLost: It has ended, or lost its lease.
        """

    @abstractmethod
    def check_loop(self) -> None:
        """Refuse what is awaited where it cannot be.

        Raises:
            ConfigInvalid: This is another event loop than that of the worker.
        """

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Run a step, or return what it returned in an attempt before."""
        self.check()
        self.check_loop()
        return await self._steps.run(name, function, args, kwargs)

    async def once(
        self,
        once: Once,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Make a call that no job of the queue has made, or return what it returned."""
        self.check()
        self.check_loop()
        return await self._once.call(once, function, args, kwargs)
