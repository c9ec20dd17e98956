"""Runs finished jobs again, 250 a script call, and counts each once.

Those that died of a job run again with it: some in the call that replays it, which names them, and
the others by workers. A job of either kind may be asked for itself afterwards, or before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiojobs_redis._redis.store import Store

__all__ = ["Replayer", "split_reply"]

_PAGE = 250
_AS_IT_WAS = ("", "p", "u")


def split_reply(reply: Sequence[bytes]) -> tuple[list[bytes], list[bytes]]:
    """Return what replay.lua says of each id, and the ids of the others that run again."""
    letters = [each for each in reply if not each.startswith(b"+")]
    return letters, [each[1:] for each in reply[len(letters) :]]


class Replayer:
    """Replays jobs of one queue.

    Args:
        store: The queue in Redis.
        limit: Jobs to replay at most, with those that run again with them; the last call may let
            more of these run. None for any number.

    Attributes:
        count: Jobs that run again by what was asked for here, and with those.
        held: Jobs that do not, since another one holds their unique key.
    """

    def __init__(self, store: Store, limit: int | None = None) -> None:
        self._store = store
        self._limit = limit
        self._revived: set[str] = set()
        self.count = 0
        self.held = 0

    @property
    def is_over(self) -> bool:
        """Whether as many were replayed as may be."""
        return self._limit is not None and self.count >= self._limit

    async def replay(
        self, states: str, ids: Sequence[str], *, only: str | None = None
    ) -> list[str]:
        """Replay jobs; return those that others are to come before.

        Args:
            states: As for replay.lua.
            ids: Any number.
            only: Letters of what counts as run again; by default all that is not left as it was.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        left: list[str] = []
        while ids and not self.is_over:
            size = _PAGE if self._limit is None else min(_PAGE, self._limit - self.count)
            letters, others = split_reply(await self._store.ask_once("replay", states, *ids[:size]))
            self._revived.update(each.decode(errors="surrogateescape") for each in others)
            self.count += len(others)
            for id, letter in zip(ids, letters, strict=False):
                if id not in self._revived:
                    left += self._counted(id, letter.decode(errors="replace")[:1], only)
            ids = ids[len(letters) :]
        return [id for id in left if id not in self._revived]

    def _counted(self, id: str, letter: str, only: str | None) -> list[str]:
        self.held += letter == "u"
        self.count += letter not in _AS_IT_WAS if only is None else letter in only
        return [id] if letter == "p" else []
