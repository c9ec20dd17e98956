"""Loads the Lua files, splices their includes, and calls them by SHA.

A script is addressed by its content, so two versions of the application can run side by side
during a rolling deploy; a Redis Function library would be replaced under the older one.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiojobs_redis._redis.link import Link, SyncLink

__all__ = ["LOADS", "SCRIPTS", "SCRIPT_DIR", "Script", "source"]

SCRIPT_DIR = Path(__file__).parent / "lua"

_INCLUDE = re.compile(r"^--@(?:where (\w+) )?include ([\w ]+)$", re.MULTILINE)
_WHERE = re.compile(r"^--@where (\w+)\n(.*?)^--@end\n", re.MULTILINE | re.DOTALL)
_GIVEN = re.compile(r"^local (?:function (\w+)|([\w, ]+)(?= =|$))", re.MULTILINE)
_FUNCTION = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)
_IDLE = re.compile(r"^ *(?:--.*)?", re.MULTILINE)
_WORD = re.compile(r"^ *--.*$|(\w+)", re.MULTILINE)
_KEY = re.compile(r"KEYS\[\d+\] (\w+)")
_FLAGS = re.compile(r"^-- Flags: ([a-z-]+)$", re.MULTILINE)

LOADS = 5
"""Somebody may flush the scripts between the load and the call; nothing has run by then."""


@cache
def _read(name: str) -> str:
    return (SCRIPT_DIR / "include" / f"{name}.lua").read_text()


def _include(match: re.Match[str]) -> str:
    condition, names = match.groups()
    text = "".join(_read(name) for name in names.split())
    return f"--@where {condition}\n{text}--@end" if condition else text


def source(name: str) -> str:
    """Return the text of ``lua/<name>.lua`` with its includes in place, without a shebang.

    Lua makes each function anew in every call, which takes 0.2 µs. So functions of an include that
    the script does not use are left out, and ``--@where NAME include ...`` makes those of its
    includes only where the variable of that name is true: what the rest of the script uses of them
    is ``nil`` elsewhere.
    """
    text = (SCRIPT_DIR / f"{name}.lua").read_text()
    return _where(_without_unused(_INCLUDE.sub(_include, text)))


def _where(text: str) -> str:
    """Put what stands between the marks into an ``if``, and what is used elsewhere before it."""
    found = _WHERE.search(text)
    if found is None:
        return text
    condition, block = found.groups()
    elsewhere = set(_WORD.findall(text[: found.start()] + text[found.end() :]))
    names: list[str] = []

    def hoist(match: re.Match[str]) -> str:
        given = (match[1] or match[2]).split(", ")
        if elsewhere.isdisjoint(given):
            return match[0]
        names.extend(given)
        return match[0].removeprefix("local ")

    block = _GIVEN.sub(hoist, block)
    made = f"local {', '.join(names)}\nif {condition} then\n{block}end\n"
    return _where(text[: found.start()] + made + text[found.end() :])


def _without_unused(text: str) -> str:
    used = Counter(_WORD.findall(text))
    kept = _FUNCTION.sub(lambda match: match[0] if used[match[1]] > 1 else "", text)
    # One function less may leave another one without a use.
    return text if kept == text else _without_unused(kept)


class Script:
    """One Redis operation.

    Attributes:
        name: Name of its file.
        keys: Short names of the keys it touches, in the order of its header, which is the
            contract between the file and its caller.
    """

    def __init__(self, name: str) -> None:
        body = source(name)
        flags = _FLAGS.search(body)
        head, _, _ = body.partition("\nlocal ")
        self.name = name
        self.keys = tuple(_KEY.findall(head))
        # Comments and indentation stay here; the lines stay, by whose numbers Redis names a fault.
        self.bare = _IDLE.sub("", body).encode()
        # Only a script with a shebang is refused as a whole, instead of half-way, by a full Redis.
        self.text = f"#!lua{' flags=' + flags[1] if flags else ''}\n".encode() + self.bare
        self.sha = hashlib.sha1(self.text, usedforsecurity=False).hexdigest().encode()
        self.bare_sha = hashlib.sha1(self.bare, usedforsecurity=False).hexdigest().encode()
        self._size = str(len(self.keys)).encode()

    def head(self, keys: Mapping[str, bytes], *, plain: bool) -> tuple[bytes, ...]:
        """Return the part of the call that is the same every time, for one queue.

        Args:
            keys: Key names by short name.
            plain: Whether the server does not know the shebang line (the in-memory one).
        """
        sha = self.bare_sha if plain else self.sha
        return (b"EVALSHA", sha, self._size, *(keys[name] for name in self.keys))

    async def call(self, link: Link, head: tuple[bytes, ...], *args: Any) -> Any:
        """Run the script, loading it first where the server does not have it.

        Raises:
            redis.exceptions.RedisError: As the server or the connection raised it.
        """
        for _ in range(LOADS):
            try:
                return await link.call(*head, *args)
            except NoScriptError:
                await link.call("SCRIPT", "LOAD", self._body(head))
        return await link.call(*head, *args)

    def call_sync(self, link: SyncLink, head: tuple[bytes, ...], *args: Any) -> Any:
        """Do the same over a blocking connection."""
        for _ in range(LOADS):
            try:
                return link.call(*head, *args)
            except NoScriptError:
                link.call("SCRIPT", "LOAD", self._body(head))
        return link.call(*head, *args)

    def _body(self, head: tuple[bytes, ...]) -> bytes:
        return self.bare if head[1] == self.bare_sha else self.text


SCRIPTS: dict[str, Script] = {
    path.stem: Script(path.stem) for path in sorted(SCRIPT_DIR.glob("*.lua"))
}
