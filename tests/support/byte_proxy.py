"""A bad line to a real server: silent, slow, unsteady or cut, whatever the bytes on it mean."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
from pathlib import Path
from typing import Self

__all__ = ["ByteProxy"]

_CHUNK = 16_384
_DRIPS_A_SECOND = 20


class ByteProxy:
    """Listens on a unix socket of its own and passes on to another.

    Args:
        upstream: Path of the socket of the real server.
        seed: Of its random choices.

    Attributes:
        passing: Cleared, it passes nothing either way, and nobody is told: what was sent meanwhile
            arrives when it is set again, as it does after a real partition.
        delay: Seconds by which each piece is late, either way.
        jitter: Seconds by which that differs at random, up or down.
        rate: Bytes a second, either way; 0 for as fast as it goes.
        cuts: Share of the replies of which only a part arrives before the line is cut.
        cut: How many were.
    """

    def __init__(self, upstream: Path | str, seed: int = 0) -> None:
        self._upstream = str(upstream)
        self._folder = Path(tempfile.mkdtemp(prefix="ajr-line-", dir="/tmp"))
        self._chance = random.Random(seed)
        self._lines: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.passing = asyncio.Event()
        self.passing.set()
        self.delay = self.jitter = self.cuts = 0.0
        self.rate = self.cut = 0

    @property
    def url(self) -> str:
        """URL under which clients reach the proxy."""
        return f"unix://{self._folder / 's'}"

    def hang_up(self) -> None:
        """Cut every line now; later ones are let through."""
        for line in self._lines:
            line.cancel()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._serve, self._folder / "s")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.cancel()
        if self._lines:
            await asyncio.wait(self._lines, timeout=5)
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        forth: asyncio.StreamWriter | None = None
        try:
            await self.passing.wait()
            back, forth = await asyncio.open_unix_connection(self._upstream)
            both = [
                asyncio.create_task(self._pump(reader, forth, cuts=False)),
                asyncio.create_task(self._pump(back, writer, cuts=True)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in both:
                    pump.cancel()
                await asyncio.wait(both)
        except asyncio.CancelledError:
            # Of the proxy's own: the streams would log it as an error of theirs.
            pass
        finally:
            self._lines.discard(task)
            for end in (writer, forth):
                if end is not None:
                    end.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, cuts: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                if self.delay:
                    await asyncio.sleep(self.delay + self._chance.uniform(-1, 1) * self.jitter)
                step = max(1, self.rate // _DRIPS_A_SECOND) if self.rate else len(data)
                broken = cuts and self._chance.random() < self.cuts
                for at in range(0, len(data) // 2 if broken else len(data), step):
                    await self.passing.wait()
                    sink.write(data[at : min(at + step, len(data) // 2) if broken else at + step])
                    await sink.drain()
                    if self.rate:
                        await asyncio.sleep(1 / _DRIPS_A_SECOND)
                if broken:
                    self.cut += 1
                    return
