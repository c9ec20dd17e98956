"""Removes jobs, 250 a script call, so that no call is long and each is all or nothing.

Which jobs go is decided in the script, by the state and the age that they have then: one that was
claimed after its page was read stays. A call that is sent again is answered as the first time, so
that the numbers are right and no more than the limit go.

A drain goes by the server's moment at which it began, since jobs become queued while it runs:

- added since: stays, as does what was handed back or failed after it had started since;
- due since: stays where scheduled jobs are not drained, whether it came due or was promoted;
- a retry that falls due, or one that ran already and is handed back: may go, as if the drain had
  begun a little later. Its record does not say since when it waits again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aiojobs_redis._redis.inspector import PAGE, STATE_LETTERS, Inspector
from aiojobs_redis.job import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.job import JobInfo

__all__ = ["Remover"]

_ANY = "".join(letter for state, letter in STATE_LETTERS.items() if state is not JobState.RUNNING)


class _Pass(NamedTuple):
    """One look at all jobs of a state: how many went, and whether others left meanwhile."""

    removed: int
    moved: bool


class Remover:
    """Removes jobs of one queue.

    Every method raises `QueueUnavailable` when Redis does not answer.

    Args:
        store: The queue in Redis.
        inspector: Its read side.
    """

    def __init__(self, store: Store, inspector: Inspector | None = None) -> None:
        self._store = store
        self._inspector = inspector or Inspector(store)

    async def remove_one(self, job: str) -> str:
        """Remove a job that is not running; return the letter of `remove`."""
        return await self.remove([job], _ANY)

    async def remove(self, ids: Sequence[str], states: str, since: int | str = 0) -> str:
        """Remove jobs, and return a letter for each.

        Args:
            ids: The jobs.
            states: Letters of the states from which they may go.
            since: ms since their end, or else since their enqueue, at least; or ``@`` and a moment,
                by which they waited.

        Returns:
            The letter of each job's state, in upper case where it was removed; ``-`` for one that
            is not there, ``?`` for one with a damaged record.
        """
        letters = ""
        while len(letters) < len(ids):
            page = ids[len(letters) : len(letters) + PAGE]
            found = await self._store.ask_once("remove", states, since, *page)
            letters += found.decode()
        return letters

    async def drain(self, states: Iterable[JobState]) -> int:
        """Remove the jobs of some states that were there when this began; the number of them."""
        moment, _ = await self._store.ask("mark")
        wanted = tuple(states)
        letters = "".join(STATE_LETTERS[state] for state in wanted)
        removed = last = 0
        while True:
            for state in wanted:
                # Whatever leaves by itself moves the others up, past what was looked at already.
                while (passed := await self._pass(state, letters, f"@{moment}")).removed:
                    removed += passed.removed
            # What went may have kept others waiting, and a worker may have parked some meanwhile.
            if removed == last:
                return removed
            last = removed

    async def clean(
        self,
        state: JobState,
        age: int,
        limit: int | None = None,
        accepts: Callable[[JobInfo], bool] | None = None,
    ) -> int:
        """Remove jobs of one state; the number of them.

        Args:
            state: The state.
            age: ms since their end, or else since their enqueue, at least.
            limit: Jobs to remove at most, None for all.
            accepts: Which of them, None for any.
        """
        removed = 0
        while limit is None or removed < limit:
            rest = None if limit is None else limit - removed
            passed = await self._pass(state, STATE_LETTERS[state], age, rest, accepts)
            removed += passed.removed
            if not (passed.removed and passed.moved):
                break
        return removed

    async def _pass(
        self,
        state: JobState,
        letters: str,
        since: int | str,
        limit: int | None = None,
        accepts: Callable[[JobInfo], bool] | None = None,
    ) -> _Pass:
        removed, passed_over, moved = 0, 0, False
        more = True
        while more and (limit is None or removed < limit):
            ids = await self._inspector.ids(state, passed_over, PAGE)
            # Not until there are none: producers may add jobs as fast as these pages are read.
            more = len(ids) == PAGE
            if not ids:
                break
            wanted = ids if accepts is None else await self._accepted(ids, accepts)
            before, looked = removed, 0
            while looked < len(wanted) and (limit is None or removed < limit):
                # Those that are too young leave their places within the limit to later ones.
                most = None if limit is None else looked + limit - removed
                part = wanted[looked:most]
                found = await self.remove(part, letters, since)
                gone = sum(letter.isupper() for letter in found)
                removed, looked = removed + gone, looked + len(part)
                moved |= gone + found.count(STATE_LETTERS[state]) < len(found)
            # Also where its record has another state: the index may be damaged.
            passed_over += len(ids) - (removed - before)
        return _Pass(removed, moved)

    async def _accepted(self, ids: Sequence[str], accepts: Callable[[JobInfo], bool]) -> list[str]:
        return [info.id for info in await self._inspector.infos(ids) if accepts(info)]
