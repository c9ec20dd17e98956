"""Stands in for what an attempt leaves beside its record, where it cannot leave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from aiojobs_redis.once import Once

__all__ = ["Silence"]


class Silence:
    """Refuses whatever a task wants to leave.

    Args:
        why: What to tell the task, with what to do instead.
    """

    def __init__(self, why: str) -> None:
        self._why = why

    @property
    def state(self) -> dict[str, Any]:
        """Refuse: it would not be saved."""
        self._refuse("state")

    def progress(self, done: float, total: float | None, note: object) -> Awaitable[None]:
        """Refuse."""
        self._refuse("progress()")

    def log(self, text: str) -> Awaitable[None]:
        """Refuse."""
        self._refuse("log()")

    def emit(self, name: str, data: object) -> Awaitable[None]:
        """Refuse."""
        self._refuse("emit()")

    async def save(self) -> None:
        """Refuse."""
        self._refuse("save()")

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Refuse: its result would not be recorded."""
        self._refuse("step()")

    async def once(
        self,
        once: Once,
        function: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> Any:
        """Refuse: others would not know of it."""
        self._refuse("once()")

    def _refuse(self, what: str) -> NoReturn:
        raise RuntimeError(f"there is no {what} here: {self._why}")
