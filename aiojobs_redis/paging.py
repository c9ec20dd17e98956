"""What is read of a queue by the page, at a cost that does not grow with what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiojobs_redis._redis.inspector import Inspector
from aiojobs_redis.given import check_whole
from aiojobs_redis.job import JobPage
from aiojobs_redis.operating import matches, state_named
from aiojobs_redis.telling import Telling

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from aiojobs_redis.events import Event, EventType
    from aiojobs_redis.job import JobInfo, JobState

__all__ = ["Paging"]

_PAGE = 250


class Paging(Telling):
    """The part of a `Queue` that reads pages; every method raises `QueueUnavailable`."""

    async def find_jobs(
        self,
        state: JobState | str,
        *,
        task: str | None = None,
        error: str | None = None,
        offset: int = 0,
        limit: int = 100,
        most: int = 2000,
    ) -> JobPage:
        """Return jobs of a state that match, of a bounded number that are looked at.

        Unlike `jobs` and `dead_letters` it costs no more the more jobs there are: where it has
        looked at ``most``, it says where to go on.

        Args:
            state: The state.
            task: Only jobs of this task.
            error: Only those whose last error is of this type.
            offset: Place in the index to begin at: 0, or the ``next_offset`` of the page before.
            limit: Jobs to return at most, 1 to 1,000.
            most: Jobs to look at, at most, 1 to 10,000.

        Raises:
            ConfigInvalid: There is no such state, or a number is out of range.
        """
        wanted = state_named(state)
        check_whole("offset", offset, 0)
        check_whole("limit", limit, 1, 1000)
        check_whole("most", most, 1, 10_000)
        inspector = Inspector(self.store)
        found: list[JobInfo] = []
        searched = 0
        while searched < most:
            size = min(_PAGE, most - searched)
            if task is None and error is None:
                size = min(size, limit - len(found))
            ids = await inspector.ids(wanted, offset + searched, size)
            infos = {info.id: info for info in await inspector.infos(ids)}
            for id in ids:
                searched += 1
                info = infos.get(id)
                if info is not None and matches(info, task, error):
                    found.append(info)
                if len(found) == limit:
                    break
            if len(found) == limit:
                break
            if len(ids) < size:
                return JobPage(found, searched, None)
        return JobPage(found, searched, offset + searched)

    async def recent_events(
        self,
        limit: int = 100,
        since: str | datetime | None = None,
        types: Iterable[EventType] | None = None,
    ) -> list[Event]:
        """Return some events that are there already, oldest first, without waiting for more.

        Args:
            limit: Events at most, 1 to 1,000; a ``gap`` comes beside.
            since: As for `events`: the first ones behind it. None for the newest ones.
            types: The types wanted, None for all; a ``gap`` is always told.

        Raises:
            ConfigInvalid: An argument is not acceptable.
        """
        check_whole("limit", limit, 1, 1000)
        return await self.events(since, types).page(limit)
