"""A proxy that has the server answer chosen commands with an error, without carrying them out."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import NamedTuple

from aiojobs_redis._redis.packing import pack
from tests.support.proxy import Pending, Predicate, Proxy, _read

__all__ = ["RefusingProxy"]


class _Refusal(NamedTuple):
    matches: Predicate
    call: bytes


class RefusingProxy(Proxy):
    """See `Proxy`.

    Args:
        upstream: Path of the socket of the real server.
    """

    def __init__(self, upstream: Path | str) -> None:
        super().__init__(upstream)
        self._once: list[_Refusal] = []
        self._always: list[_Refusal] = []

    def refuse(self, matches: Predicate, reply: str, *, always: bool = False) -> None:
        """Have the next command that matches, or each, answered with an error.

        Args:
            matches: Which command.
            reply: The error, from its code on.
            always: Whether it is every such command.
        """
        script = "return redis.error_reply(ARGV[1])"
        refusal = _Refusal(matches, pack(("EVAL", script, 0, reply)))
        (self._always if always else self._once).append(refusal)

    def refused(self) -> bool:
        """Whether every command that was to be refused once has been."""
        return not self._once

    async def _commands(
        self, reader: asyncio.StreamReader, forth: asyncio.StreamWriter, pending: Pending
    ) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                raw, words = await _read(reader)
                pending.append(words)
                forth.write(self._instead(words) or raw)
                await forth.drain()

    def _instead(self, words: list[bytes]) -> bytes | None:
        for refusal in self._once:
            if refusal.matches(words):
                self._once.remove(refusal)
                return refusal.call
        return next((item.call for item in self._always if item.matches(words)), None)
