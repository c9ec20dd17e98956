"""Calls the Lua scripts by SHA, and loads one where the server does not have it.

A script is addressed by its content, so two versions of the application can run side by side
during a rolling deploy; a Redis Function library would be replaced under the older one.
"""

from __future__ import annotations

import hashlib
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from aiojobs_redis._redis.splice import SCRIPT_DIR, keys_of, source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiojobs_redis._redis.link import Link, SyncLink

__all__ = ["LOADS", "SCRIPTS", "Script"]

_IDLE = re.compile(r"\n *(?:--.*)?")
_FLAGS = re.compile(r"\n-- Flags: ([a-z-]+)(?=\n)")

LOADS = 5
"""Somebody may flush the scripts between the load and the call; nothing has run by then."""


class Script:
    """One Redis operation, whose text is made when it is first needed.

    Attributes:
        name: Name of its file.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Short names of the keys it touches, in the order of its header.

        They are the contract between the file and its caller.
        """
        return keys_of(self._source)

    @cached_property
    def bare(self) -> bytes:
        """What Redis gets, without a shebang."""
        # Comments and indentation stay here; the lines stay, by whose numbers Redis names a fault.
        return _IDLE.sub("\n", f"\n{self._source}")[1:].encode()

    @cached_property
    def text(self) -> bytes:
        """What Redis gets."""
        # Only a script with a shebang is refused as a whole, instead of half-way, by a full Redis.
        flags = _FLAGS.search(self._source)
        return f"#!lua{' flags=' + flags[1] if flags else ''}\n".encode() + self.bare

    @cached_property
    def sha(self) -> bytes:
        """How Redis knows `text`."""
        return _hash(self.text)

    @cached_property
    def bare_sha(self) -> bytes:
        """How Redis knows `bare`."""
        return _hash(self.bare)

    @cached_property
    def _source(self) -> str:
        return source(self.name)

    def head(self, keys: Mapping[str, bytes], *, plain: bool) -> tuple[bytes, ...]:
        """Return the part of the call that is the same every time, for one queue.

        Args:
            keys: Key names by short name.
            plain: Whether the server does not know the shebang line (the in-memory one).
        """
        sha = self.bare_sha if plain else self.sha
        size = str(len(self.keys)).encode()
        return (b"EVALSHA", sha, size, *(keys[name] for name in self.keys))

    async def call(self, link: Link, head: tuple[bytes, ...], *args: Any) -> Any:
        """Run the script, loading it first where the server does not have it.

        Raises:
            redis.exceptions.RedisError: As the server or the connection raised it.
        """
        loads = LOADS
        while True:
            try:
                return await link.call(*head, *args)
            except NoScriptError:
                if not loads:
                    raise
                loads -= 1
                await link.call("SCRIPT", "LOAD", self._body(head))

    def call_sync(self, link: SyncLink, head: tuple[bytes, ...], *args: Any) -> Any:
        """Do the same over a blocking connection."""
        loads = LOADS
        while True:
            try:
                return link.call(*head, *args)
            except NoScriptError:
                if not loads:
                    raise
                loads -= 1
                link.call("SCRIPT", "LOAD", self._body(head))

    def _body(self, head: tuple[bytes, ...]) -> bytes:
        return self.bare if head[1] == self.bare_sha else self.text


def _hash(text: bytes) -> bytes:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest().encode()


SCRIPTS: dict[str, Script] = {
    path.stem: Script(path.stem) for path in sorted(SCRIPT_DIR.glob("*.lua"))
}
