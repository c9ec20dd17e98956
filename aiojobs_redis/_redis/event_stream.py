"""Reads the events of a queue, one event a job, from any place of the stream on.

    unplaced ── ``since`` looked up ──▶ catching up ── nothing new ──▶ waiting (XREAD BLOCK)
                                            ▲                             │
                                            └── many at once, an outage ──┤
                                                                          └── few: delivered

Scripts write one entry for up to 64 ids; here it is split, and an event's id is that of its entry
and its number in it. The stream is cut at some 2,000 entries, so a reader may come too late:

- Catching up reads from the last entry that was read, that one included. Where it is gone, so may
  be what followed it, and a `gap` says so before the next event.
- A read that had to wait was served when the first new entry came, so nothing is missing before
  it. A full page may mean the opposite, that it was there already, and is read again as above.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import re
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, cast

from aiojobs_redis._redis.emissions import open_emitted, split_emitted
from aiojobs_redis._redis.faults import FAULTS, Fault, classify, translate
from aiojobs_redis.duration import from_ms, instant_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.events import EVENT_TYPES, EmittedEvent, Event, check_types

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.events import EventType
    from aiojobs_redis.job import JobInfo

    Entry = list[Any]

__all__ = ["EventStream"]

_log = logging.getLogger("aiojobs_redis.events")

_PAGE = 100
_LARGE_PAGE = 1000
_BLOCK = 10.0
_GRACE = 5.0
_LONGEST_PAUSE = 2.0
_CUT_AT = 2000
"""Entries below which scripts never cut the stream."""
_BEGIN = b"0-0"
_WHOLE = 1 << 30
"""Taken of an entry of which nothing is to be delivered any more."""
_ID = re.compile(r"(\d{1,19}-\d{1,19})(?:\.(\d{1,9}))?")


class EventStream:
    """The events of a queue; made by `Queue.events`.

    Iterating delivers them as they come, and goes on over an outage of Redis. Leaving the loop
    closes the connection; iterating again goes on behind the last event. As ``async with`` it
    is placed when the block is entered, without it when the first event is asked for.

    Args:
        store: The queue.
        find: Returns the record of a job.
        since: See `Queue.events`.
        types: See `Queue.events`.

    Raises:
        ConfigInvalid: A type does not exist, or ``since`` is neither an id nor an instant.
    """

    def __init__(
        self,
        store: Store,
        find: Callable[[str], Awaitable[JobInfo | None]],
        *,
        since: str | datetime | None,
        types: Iterable[EventType] | None,
    ) -> None:
        self._store = store
        self._find = find
        self._types = check_types(types)
        self._warned = False
        self._key = store.keys["events"]
        # The last entry that was read, and how many of its events have been passed.
        self._entry, self._taken = _BEGIN, _WHOLE
        # Whether that entry was there once, so that it is missing where it is not there any more.
        self._placed = self._real = False
        if since is not None:
            self._go_to(since)
        self._cut = False
        # Whether nothing more is waited for.
        self._ended = False

    def __repr__(self) -> str:
        return f"<EventStream of queue {self._store.queue} behind {self._position}>"

    async def __aenter__(self) -> Self:
        """Take the place from which the events are wanted.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        link = self._store.server.link()
        try:
            await self._begin(link)
        finally:
            link.abort()
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __aiter__(self) -> AsyncGenerator[Event]:
        return self._read()

    async def page(self, limit: int) -> list[Event]:
        """Return the first events behind the place, or the newest ones where there is none.

        Where others are between those of the wanted types, it goes on past them: whoever comes
        back with the id of the last one would not get past them.

        Args:
            limit: Events at most; a gap comes beside.

        Raises:
            QueueUnavailable: Redis did not answer.
        """
        try:
            async with self._store.server.borrow() as link:
                if self._placed:
                    return await self._first(link, limit)
                return await self._newest(link, limit)
        except FAULTS as error:
            raise translate(error, self._store.server.label) from error

    async def _first(self, link: Link, limit: int) -> list[Event]:
        found: list[Event] = []
        more, count, wanted = True, limit, limit
        while more and len(found) < wanted:
            # One more for that of the place itself.
            behind = ("XRANGE", self._key, self._entry, "+", "COUNT", count + 1)
            entries = await link.call(*behind)
            if not entries or entries[0][0] != self._entry:
                self._cut = await self._is_cut(link)
                if entries and self._cut:
                    wanted += 1
                    found.append(Event(self._position, "gap", None, None, _time_of(entries[0][0])))
            found += [event for entry in entries for event in self._split(entry)]
            more, count = len(entries) > count, min(2 * count, _LARGE_PAGE)
        return found[:wanted]

    async def _newest(self, link: Link, limit: int) -> list[Event]:
        found: list[Event] = []
        end, count = "+", limit
        while len(found) < limit:
            entries = await link.call("XREVRANGE", self._key, end, "-", "COUNT", count)
            found = [event for entry in reversed(entries) for event in self._split(entry)] + found
            if len(entries) < count:
                break
            end, count = f"({entries[-1][0].decode()}", min(2 * count, _LARGE_PAGE)
        return found[-limit:]

    def _go_to(self, since: str | datetime) -> None:
        self._entry, self._taken = _place(since)
        self._placed, self._real = True, self._taken < _WHOLE

    @property
    def _position(self) -> str:
        entry = self._entry.decode()
        return entry if self._taken >= _WHOLE else f"{entry}.{self._taken - 1}"

    async def _read(self) -> AsyncGenerator[Event]:
        link = self._store.server.link()
        pause = 0.05
        try:
            await self._begin(link)
            while True:
                try:
                    entries = await self._next(link)
                    pause = 0.05
                except FAULTS as error:
                    if classify(error) is not Fault.RETRY:
                        raise translate(error, self._store.server.label) from error
                    _log.debug("no events of queue %s for now: %s", self._store.queue, error)
                    await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - jitter
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    continue
                if entries is None:
                    return
                if entries and self._cut:
                    self._cut = False
                    yield Event(self._position, "gap", None, None, _time_of(entries[0][0]))
                for entry in entries:
                    for event in self._split(entry):
                        yield event
        finally:
            link.abort()

    async def _begin(self, link: Link) -> None:
        await self._store.check()
        if self._placed:
            return
        try:
            last = await link.call("XREVRANGE", self._key, "+", "-", "COUNT", 1)
        except FAULTS as error:
            raise translate(error, self._store.server.label) from error
        if last:
            self._entry, self._real = last[0][0], True
        self._placed = True

    async def _look(self) -> bool:
        """Return whether there is nothing to wait for any more; it is asked before a wait."""
        return False

    async def _next(self, link: Link) -> list[Entry] | None:
        """Return entries behind the place, from the one that is read in part on.

        Without any it is [], and None where none are waited for either.

        Raises:
            redis.exceptions.RedisError: As it was raised.
        """
        entries: list[Entry]
        entries = await link.call("XRANGE", self._key, self._entry, "+", "COUNT", _PAGE + 1)
        if entries and entries[0][0] == self._entry:
            if len(entries) > 1 or any(self._events_left(entries[0])):
                return entries
        else:
            self._cut = self._cut or await self._is_cut(link)
            if entries:
                return entries
        if self._ended:
            return None
        self._ended = await self._look()
        if self._ended:
            # What came before that was seen may not have been read.
            return []
        words = ("COUNT", _PAGE, "BLOCK", round(_BLOCK * 1000), "STREAMS", self._key, self._entry)
        reply = await link.call("XREAD", *words, timeout=_BLOCK + _GRACE)
        entries = reply[0][1] if reply else []
        return entries if len(entries) < _PAGE else []

    async def _is_cut(self, link: Link) -> bool:
        # An older entry that is there still: this one never was, as that of a given instant.
        older = f"({self._entry.decode()}"
        if self._entry != _BEGIN and await link.call(
            "XREVRANGE", self._key, older, "-", "COUNT", 1
        ):
            return False
        return self._real or await link.call("XLEN", self._key) >= _CUT_AT

    def _split(self, entry: Entry) -> Iterator[Event]:
        """Yield the wanted events of an entry; the place moves along."""
        if entry[0] != self._entry:
            self._entry, self._taken, self._real = entry[0], 0, True
        for number, event in self._events_left(entry):
            self._taken = number + 1
            if self._is_wanted(event):
                yield event
        self._taken = _WHOLE

    def _is_wanted(self, event: Event) -> bool:
        return event.type in self._types

    def _events_left(self, entry: Entry) -> Iterator[tuple[int, Event]]:
        key: bytes = entry[0]
        taken = self._taken if key == self._entry else 0
        worker: str | None = None
        number, at, name = 0, _time_of(key), key.decode()
        for field, value in zip(entry[1][::2], entry[1][1::2], strict=False):
            if field == b"@":
                worker = value.decode(errors="replace")
                continue
            kind, _, task = field.decode(errors="replace").partition(",")
            if kind not in EVENT_TYPES:
                # Of a newer version. It stands in an entry of its own, which has no numbers here.
                continue
            if kind == "emitted":
                for of, body in split_emitted(value):
                    if number >= taken:
                        yield number, self._emitted(f"{name}.{number}", of, at, body)
                    number += 1
                continue
            reporter = worker if task or kind == "started" else None
            for job in _ids(value):
                if number >= taken:
                    about = None if kind == "schedule" else job or None
                    data = {"schedule": job} if kind == "schedule" else {}
                    event = Event(
                        f"{name}.{number}",
                        cast("EventType", kind),
                        about,
                        task or None,
                        at,
                        reporter,
                        data,
                        self._find,
                    )
                    yield number, event
                number += 1

    def _emitted(self, id: str, job: bytes, at: datetime, body: bytes) -> Event:
        of = job.decode(errors="replace") or None
        event = Event(id, "emitted", of, None, at, _find=self._find)
        if not self._is_wanted(event):
            return event
        found = open_emitted(body, self._store.sealing, job)
        if not isinstance(found, str):
            return EmittedEvent(id, "emitted", of, None, at, None, found[1], self._find, found[0])
        if not self._warned:
            self._warned = True
            _log.warning("queue %s: an event cannot be opened: %s", self._store.queue, found)
        return replace(event, data={"rejected": found})


def _place(since: str | datetime) -> tuple[bytes, int]:
    """Return the entry behind which to begin, and how many of its events were read.

    Raises:
        ConfigInvalid: It is neither an id nor an aware datetime.
    """
    if isinstance(since, datetime):
        instant_ms("since", since)
        ms = max(math.floor(since.timestamp() * 1000), 1)
        # No more digits than an id may have that is given back.
        return b"%d-%d" % (ms - 1, 2**63 - 1), _WHOLE
    match = _ID.fullmatch(since) if isinstance(since, str) else None
    if match is None:
        raise ConfigInvalid(
            f"since must be the id of an event, an aware datetime or None, got {since!r:.80}"
        )
    return match[1].encode(), _WHOLE if match[2] is None else int(match[2]) + 1


def _ids(text: bytes) -> Iterator[str | None]:
    """Yield the ids of one kind; one None where it is about no job."""
    if not text:
        yield None
    at = 0
    while at < len(text):
        end = text.find(b":", at)
        if end < 0 or not text[at:end].isdigit():
            return
        size = int(text[at:end])
        yield text[end + 1 : end + 1 + size].decode(errors="replace")
        at = end + 1 + size


def _time_of(entry: bytes) -> datetime:
    return from_ms(int(entry.partition(b"-")[0]))
