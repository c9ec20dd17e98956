"""Lives that are cut short, each at another of the Redis commands of a process.

A test names a module of `tests.support` whose ``live`` is what the process does, lets one live to
its end to count its commands, and then kills one at each of the places that `places` gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias, TypeVar

from tests.support.killpoint import KillPoint, Moment
from tests.support.nursery import Nursery
from tests.support.proxy import Proxy
from tests.support.servers import ServerProcess

__all__ = ["WHOLE_LIFE", "Place", "in_lanes", "live", "places", "shares"]

Place: TypeAlias = tuple[int, Moment]
"""Number of a command of a life, from 1, and where it stands when the process is killed."""

WHOLE_LIFE: Place = (0, Moment.AFTER)

_Found = TypeVar("_Found")


async def live(
    server: ServerProcess, nursery: Nursery, place: Place, *arguments: object, db: int = 0
) -> KillPoint:
    """Start a process and kill it at that place, or let it end where it does not get there.

    Args:
        server: What it works on, through a proxy.
        nursery: Where it comes from.
        place: Where it is killed.
        arguments: What its ``live`` gets behind the URL.
        db: Number of the database that it uses.
    """
    async with Proxy(server.socket) as proxy:
        point = KillPoint(proxy, *place)
        url = f"{proxy.url}?db={db}" if db else proxy.url
        point.pid.set_result(await nursery.bear(url, *map(str, arguments)))
        code = await asyncio.wait_for(nursery.ended(), 30)
    assert point.struck.is_set() or code == 0, f"it ended by itself, with {code}: {nursery.said()}"
    return point


def places(commands: int, step: int = 1) -> list[Place]:
    """Return every step-th place of a life of so many commands, before and after each."""
    every = [(n, at) for n in range(1, commands + 1) for at in (Moment.BEFORE, Moment.AFTER)]
    return every[::step]


def shares(todo: Sequence[Place], number: int) -> list[list[Place]]:
    """Return the places for each of so many servers, always the same ones.

    By twos: where each odd step is taken, every other place is one before its command.
    """
    return [
        [place for at, place in enumerate(todo) if at // 2 % number == share]
        for share in range(number)
    ]


async def in_lanes(
    todo: Sequence[Place], lanes: Sequence[Callable[[Place], Awaitable[_Found]]], servers: int = 1
) -> dict[Place, _Found]:
    """Die at each place, in as many lanes at once as there are; return what each found.

    Args:
        todo: The places.
        lanes: What dies there; the one at ``n`` does so on server ``n % servers``.
        servers: Over how many servers the places are divided.
    """
    left, found = shares(todo, servers), dict[Place, _Found]()

    async def work(mine: list[Place], die: Callable[[Place], Awaitable[_Found]]) -> None:
        while mine:
            place = mine.pop()
            found[place] = await die(place)

    await asyncio.gather(*(work(left[at % servers], die) for at, die in enumerate(lanes)))
    return found
