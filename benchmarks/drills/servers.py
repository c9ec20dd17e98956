"""A Redis server that is killed, filled and restarted, and a proxy before it that loses replies."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import tempfile
import threading
from typing import Self

import redis

from benchmarks.server import free_port, program, wait_for

__all__ = ["LossyProxy", "Server"]


class Server:
    """A server with an append-only file, synced every second, on a port that it keeps."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ajr-drill-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port: int = free_port()
        self.url: str = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._folder.cleanup()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = ["--bind", "127.0.0.1", "--dir", self._folder.name, "--save", ""]
        options += ["--appendonly", "yes", "--loglevel", "warning"]
        command = [program(), "--port", str(self.port), *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self.url, self._process)

    def kill(self) -> None:
        """End it with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def fill(self) -> None:
        """Make it full, whatever is freed: it refuses every command that may need memory."""
        self._configure("1")

    def relieve(self) -> None:
        """Lift the limit again."""
        self._configure("0")

    def _configure(self, maxmemory: str) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", maxmemory)


class LossyProxy:
    """Passes on to a server; loses every n-th reply, carried out, together with its connection.

    Args:
        port: Of the server.
        every: Which reply is lost, counted over all connections.
    """

    def __init__(self, port: int, every: int) -> None:
        self._upstream = port
        self._every = every
        self._replies = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.dropping = False
        self.dropped = 0
        self.port: int = free_port()
        self.url: str = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self._upstream)
        ways = (
            asyncio.create_task(self._commands(reader, forth)),
            asyncio.create_task(self._pass_replies(back, writer)),
        )
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (writer, forth):
            end.transport.abort()

    async def _commands(self, reader: asyncio.StreamReader, forth: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                forth.write(data)
                await forth.drain()

    async def _pass_replies(self, back: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            while True:
                reply = await _reply(back)
                # Messages of subscriptions (RESP3) answer no command.
                if self.dropping and not reply.startswith(b">"):
                    self._replies += 1
                    if self._replies % self._every == 0:
                        self.dropped += 1
                        return
                writer.write(reply)
                await writer.drain()


async def _reply(reader: asyncio.StreamReader) -> bytes:
    """Return one whole reply of RESP2 or RESP3."""
    line = await reader.readuntil(b"\r\n")
    kind, size = line[:1], line[1:-2]
    if kind in b"$!=":
        return line if int(size) < 0 else line + await reader.readexactly(int(size) + 2)
    if kind in b"*~>%|":
        parts = max(0, int(size)) * (2 if kind in b"%|" else 1) + (kind == b"|")
        return line + b"".join([await _reply(reader) for _ in range(parts)])
    return line
