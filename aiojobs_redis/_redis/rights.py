"""Which rights the user of a connection lacks for what the queue needs.

The commands are put into a transaction that is discarded: Redis checks rights when it queues a
command, so an ordinary user can ask, and nothing is run.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from redis import exceptions as redis_errors

from aiojobs_redis._redis.keys import KEY_NAMES
from aiojobs_redis._redis.scripts import SCRIPTS
from aiojobs_redis.durability import Fsynced

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiojobs_redis._redis.link import Link
    from aiojobs_redis._redis.store import Store
    from aiojobs_redis.durability import Durability

__all__ = ["Lacking", "find_lacking"]

_COMMAND = re.compile(r"redis\.p?call\('([A-Z]+)'")
_FOR_DOCTOR = frozenset({"audit"})
_MOST_ARGUMENTS = 4


@dataclass(frozen=True, slots=True)
class Lacking:
    """Rights that the user of the connection does not have.

    Attributes:
        user: Its name, empty where it may not ask.
        commands: Commands that the queue needs and it may not run.
        keys: Whether there are keys of the queue that it may not read and write.
        channels: Whether there are channels of the queue that it may not use.
    """

    user: str
    commands: list[str]
    keys: bool
    channels: bool


async def find_lacking(
    link: Link, store: Store, durability: Durability | None = None
) -> Lacking | None:
    """Return the rights that are missing, None where this user may not start a transaction.

    Args:
        link: A link to the server.
        store: The queue.
        durability: What has to confirm its enqueues.

    Raises:
        redis.exceptions.RedisError: The connection failed.
    """
    user = ""
    with contextlib.suppress(redis_errors.ResponseError):
        user = (await link.call("ACL", "WHOAMI")).decode()
    try:
        await link.call("MULTI")
    except redis_errors.ResponseError:
        return None
    lacks: dict[str, list[str]] = {"command": [], "key": [], "channel": []}
    for call in (*_calls(store), *_questions(durability)):
        kind = await _refusal(link, call)
        if kind:
            lacks[kind].append(_rule(call))
    await link.call("DISCARD")
    commands = sorted(set(lacks["command"]))
    return Lacking(user, commands, bool(lacks["key"]), bool(lacks["channel"]))


def _rule(call: tuple[Any, ...]) -> str:
    # The whole of SCRIPT would be FLUSH and KILL too.
    words = call[:2] if call[0] == "SCRIPT" else call[:1]
    return "|".join(words).lower()


def _calls(store: Store) -> Iterator[tuple[Any, ...]]:
    keys = store.keys
    finished = f"{store.namespace}:{{{store.queue}}}:finished:doctor"
    yield ("EVALSHA", "0" * 40, "1", keys["meta"])
    yield ("SCRIPT", "LOAD", "return 1")
    yield ("BZPOPMIN", keys["wake"], "0")
    for channel in (finished, store.cancel_channel("doctor")):
        yield ("SUBSCRIBE", channel)
        yield ("PUBLISH", channel, "")
    yield ("TIME",)
    texts = [script.bare for name, script in SCRIPTS.items() if name not in _FOR_DOCTOR]
    used = {name for text in texts for name in _COMMAND.findall(text.decode())}
    for name in sorted(used - {"PUBLISH", "TIME"}):
        yield (name, keys["meta"])
    for name in ("XREAD", "XRANGE", "XREVRANGE"):
        yield (name, *(("STREAMS",) if name == "XREAD" else ()), keys["events"], "0")
    for name in KEY_NAMES:
        yield ("HGET", keys[name], "f")
        yield ("HSET", keys[name], "f", "v")


def _questions(durability: Durability | None) -> Iterator[tuple[Any, ...]]:
    if isinstance(durability, Fsynced):
        yield ("WAITAOF", "0", "0", "1")
    elif durability is not None:
        yield ("WAIT", "0", "1")


async def _refusal(link: Link, call: tuple[Any, ...]) -> str | None:
    """Return what the user may not do of a call: run the command, use the key, the channel."""
    for extra in range(_MOST_ARGUMENTS + 1):
        try:
            await link.call(*call, *["0"] * extra)
        except redis_errors.NoPermissionError as error:
            # "access a key"; in Redis 7.0 "access one of the keys used as arguments".
            _, _, text = str(error).partition(" access ")
            return next((kind for kind in ("key", "channel") if kind in text), "command")
        except redis_errors.ResponseError as error:
            # The number of arguments is checked before the rights.
            if "wrong number" not in str(error):
                return None
        else:
            return None
    return None
