"""A master with replicas, and a relay before it that can hold back what it replicates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self

import redis

from tests.support.servers import ServerProcess, free_port
from tests.support.waiting import wait_until

__all__ = ["Relay", "ids_on", "promote", "replicated", "sync"]

# Without it a master waits for further replicas before it sends the first its copy.
AT_ONCE = ("--repl-diskless-sync-delay", "0")


def sync(server: ServerProcess) -> redis.Redis:
    """Return a blocking client to a server with a TCP port."""
    assert server.port is not None
    return redis.Redis(port=server.port, protocol=2, socket_timeout=5)


def ids_on(server: ServerProcess, queue: str) -> set[str]:
    """Return the ids of all jobs of a queue that a server has, be it a replica or not."""
    with sync(server) as client:
        return {key.decode() for key in client.hkeys(f"ajr:{{{queue}}}:jobs")}


@asynccontextmanager
async def replicated(
    binary: Path, folder: Path, *extra_args: str, replicas: int = 1, through: Relay | None = None
) -> AsyncIterator[list[ServerProcess]]:
    """Run a master and its replicas, all of them in step.

    Args:
        binary: The server's program.
        folder: For their files.
        extra_args: Options of all of them.
        replicas: How many.
        through: What the replicas connect to instead of the master itself.

    Yields:
        The master, then the replicas.
    """
    master = ServerProcess(binary, folder / "master", *AT_ONCE, *extra_args, port=free_port())
    servers = [master]
    try:
        await asyncio.to_thread(master.start)
        if through is not None:
            assert master.port is not None
            through.upstream = master.port
        port = str(master.port if through is None else through.port)
        for number in range(replicas):
            where = folder / f"replica-{number}"
            of = ("--replicaof", "127.0.0.1", port)
            replica = ServerProcess(binary, where, *AT_ONCE, *extra_args, *of, port=free_port())
            servers.append(replica)
            await asyncio.to_thread(replica.start)
        with sync(master) as client:
            await wait_until(
                lambda: (
                    client.execute_command("WAIT", replicas, 1) == replicas
                    and all(
                        client.info("replication")[f"slave{n}"]["lag"] <= 1 for n in range(replicas)
                    )
                ),
                "the replicas to be in step",
                timeout=20,
            )
        yield servers
    finally:
        for server in servers:
            # A master that is told to end waits for its replicas.
            server.kill9()
            server.remove()


def promote(replica: ServerProcess) -> None:
    """Make a replica a master, as a failover does."""
    with sync(replica) as client:
        client.replicaof("NO", "ONE")


class Relay:
    """Passes bytes on to a TCP port, until it is told to keep them.

    Attributes:
        port: Where it listens.
        upstream: Port that it passes on to.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.upstream = 0
        self._passing = asyncio.Event()
        self._passing.set()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    def hold(self) -> None:
        """Keep what comes from now on; nothing of it arrives any more."""
        self._passing.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        ends = [writer]
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                back, forth = await asyncio.open_connection("127.0.0.1", self.upstream)
                ends.append(forth)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._pass(reader, forth))
                    group.create_task(self._pass(back, writer))
        finally:
            for end in ends:
                end.transport.abort()
            self._open.discard(task)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
