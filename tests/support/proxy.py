"""A proxy before a real server that loses, holds back or changes single replies, whole as RESP."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Self

from aiojobs_redis._redis.scripts import SCRIPTS

__all__ = ["Proxy", "runs_script"]

Predicate = Callable[[list[bytes]], bool]
Pending = deque[list[bytes]]
Hook = Callable[[list[bytes]], Awaitable[None]]


def runs_script(*names: str) -> Predicate:
    """Return what tells a call of one of ``lua/<name>.lua`` from other commands.

    An exchange, or an enqueue, may be the plain one.
    """
    plain = {f"{name}_plain" for name in names} & SCRIPTS.keys()
    hashes = {SCRIPTS[name].sha for name in (*names, *plain)}
    return lambda words: words[0].upper() == b"EVALSHA" and words[1] in hashes


class Proxy:
    """Listens on a unix socket of its own and passes on to another.

    Args:
        upstream: Path of the socket of the real server, with ``user:password@`` before it where
            clients of the proxy are to have them.

    Attributes:
        delay: Seconds by which each reply is late.
        refusing: Whether new connections are closed at once.
        passing: Cleared, it holds all replies back until it is set again.
        rewrite: Changes a raw reply on its way back.
        before: Awaited with each command before it is passed on.
        after: Awaited with each command that was answered, before its reply is passed on; an
            OSError loses the reply and the connection.
        seen: The commands that the server has answered, as lists of words.
    """

    def __init__(self, upstream: Path | str) -> None:
        self._login, at, self._upstream = str(upstream).rpartition("@")
        self._login += at
        self._folder = Path(tempfile.mkdtemp(prefix="ajr-proxy-", dir="/tmp"))
        self._to_drop: list[Predicate] = []
        self._open: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}
        self._server: asyncio.Server | None = None
        self.delay = 0.0
        self.refusing = False
        self.passing = asyncio.Event()
        self.passing.set()
        self.rewrite: Callable[[bytes], bytes] = lambda reply: reply
        self.before: Hook = _nothing
        self.after: Hook = _nothing
        self.seen: list[list[bytes]] = []

    @property
    def url(self) -> str:
        """URL under which clients reach the proxy."""
        return f"unix://{self._login}{self._folder / 's'}"

    def drop_reply_of(self, predicate: Predicate) -> None:
        """Lose the reply of the next command that matches, carried out, and its connection."""
        self._to_drop.append(predicate)

    @contextlib.contextmanager
    def losing_replies_of(self, predicate: Predicate) -> Iterator[None]:
        """Lose, meanwhile, the replies of all commands that match, carried out."""

        async def lose(words: list[bytes]) -> None:
            if predicate(words):
                raise OSError("lost")

        plain, self.after = self.after, lose
        try:
            yield
        finally:
            self.after = plain

    def dropped(self) -> bool:
        """Whether every reply that was to be lost has been lost."""
        return not self._to_drop

    def cut(self) -> None:
        """Close every connection now; later ones are let through unless ``refusing``."""
        for writers in self._open.values():
            for writer in writers:
                writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._folder / "s")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.passing.set()
        # One that was let in just now is not open yet.
        self.refusing = True
        await asyncio.sleep(0)
        self.cut()
        if self._open:
            await asyncio.wait(set(self._open), timeout=5)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.refusing:
            writer.transport.abort()
            return
        self._open[task] = [writer]
        with contextlib.suppress(OSError):
            back, forth = await asyncio.open_unix_connection(self._upstream)
            self._open[task].append(forth)
            pending: Pending = deque()
            there = asyncio.create_task(self._commands(reader, forth, pending))
            back_again = asyncio.create_task(self._replies(back, writer, pending))
            await asyncio.wait((there, back_again), return_when=asyncio.FIRST_COMPLETED)
            there.cancel()
            back_again.cancel()
            await asyncio.wait((there, back_again))
        for end in self._open.pop(task):
            end.transport.abort()

    async def _commands(
        self, reader: asyncio.StreamReader, forth: asyncio.StreamWriter, pending: Pending
    ) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                raw, words = await _read(reader)
                await self.before(words)
                pending.append(words)
                forth.write(raw)
                await forth.drain()

    async def _replies(
        self, back: asyncio.StreamReader, writer: asyncio.StreamWriter, pending: Pending
    ) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                raw, _ = await _read(back)
                if pending:  # otherwise it is a message of a subscription
                    words = pending.popleft()
                    self.seen.append(words)
                    await self.after(words)
                    for predicate in self._to_drop:
                        if predicate(words):
                            self._to_drop.remove(predicate)
                            return
                await asyncio.sleep(self.delay)
                await self.passing.wait()
                writer.write(self.rewrite(raw))
                await writer.drain()


async def _nothing(_: list[bytes]) -> None:
    pass


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, list[bytes]]:
    """Return one RESP2 value as it came, and the words in it."""
    line = await reader.readuntil(b"\r\n")
    size = int(line[1:]) if line[:1] in b"$*" else -1
    if line[:1] == b"$" and size >= 0:
        body = await reader.readexactly(size + 2)
        return line + body, [body[:-2]]
    raw, words = [line], [line[1:-2]] if line[:1] not in b"$*" else []
    for _ in range(size if line[:1] == b"*" else 0):
        part, inner = await _read(reader)
        raw.append(part)
        words += inner
    return b"".join(raw), words
