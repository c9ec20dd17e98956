"""The record of what people did to a queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiojobs_redis.audit import check_place, encode_action, read_actions
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.audit import ActionRecord

__all__ = ["Auditing"]


class Auditing:
    """The part of a `Queue` that says who did what; every method raises `QueueUnavailable`.

    Attributes:
        store: The queue in Redis.
    """

    store: Store

    async def note_action(
        self,
        who: str,
        action: str,
        job: str | None = None,
        details: Mapping[str, Any] | None = None,
        outcome: str | None = None,
    ) -> str:
        """Record that somebody does something to the queue, and return the id of the record.

        The dashboard and the HTTP API do so before each of their actions. There is one record also
        where the answer was lost on the way and the call was sent again. Some 10,000 are kept,
        until the queue is destroyed.

        Args:
            who: Who does it.
            action: What, such as ``retry``.
            job: To which job.
            details: What else was asked for, as plain data: 4 KiB in JSON, at most. It is not
                encrypted by the queue's codec.
            outcome: What came of it, where that is recorded.

        Raises:
            ConfigInvalid: One of them is not acceptable.
        """
        body = encode_action(who, action, job, details or {}, outcome)
        return str((await self.store.ask_once("note_action", body)).decode())

    async def actions(self, limit: int = 100, before: str | None = None) -> list[ActionRecord]:
        """Return what people did to the queue, the newest first.

        Args:
            limit: Records at most, 1 to 1,000.
            before: Id of a record: those that are older; None for the newest.

        Raises:
            ConfigInvalid: An argument is out of range.
        """
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= 1000:
            raise ConfigInvalid(f"limit must be a whole number from 1 to 1000, got {limit!r:.80}")
        return read_actions(await self.store.ask("read_actions", check_place(before), limit))
