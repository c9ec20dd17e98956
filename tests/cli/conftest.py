"""An application in a folder of its own, and the command line run on it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from click.testing import CliRunner, Result

from aiojobs_redis import Queue, Worker
from aiojobs_redis.cli.app import load_queue
from aiojobs_redis.cli.main import cli
from tests.support.servers import ServerProcess, find_servers

T = TypeVar("T")

CODE = """
import asyncio
from datetime import datetime
from aiojobs_redis import Queue, current_job

queue = Queue({name!r}, url={url!r}, namespace="test")
other = Queue({name!r} + "-b", url={url!r}, namespace="test")
both = [queue, other]
number = 7

@queue.task
async def add(a: int, b: int = 1) -> int:
    return a + b

@queue.task
async def year(at: datetime) -> int:
    return at.year

@queue.task(attempts=1)
async def fail(text: str) -> None:
    raise ValueError(text)

@queue.task(attempts=1)
async def stumble() -> None:
    raise LookupError("nothing there")

@queue.task
async def report(count: int) -> None:
    for done in range(count):
        await current_job().progress(done + 1, count, "counting")
        await current_job().log(f"line\\t{{done}}")

@queue.task
async def flood() -> str:
    return "x" * 5_000_000

@queue.task
async def wait() -> None:
    await asyncio.sleep(600)

@queue.cron("0 3 * * *", tz="Europe/Berlin")
async def nightly() -> None:
    pass
"""


class App:
    """An application that can be imported in the current folder.

    Args:
        folder: Where its module is.
        name: Name of its queue.
        url: Its server.
    """

    def __init__(self, folder: Path, name: str, url: str) -> None:
        self.folder = folder
        self.name = name
        self.module = f"app_{name}"
        self.log = ""
        (folder / f"{self.module}.py").write_text(CODE.format(name=name, url=url))

    @property
    def ref(self) -> str:
        """What stands for APP on the command line."""
        return f"{self.module}:queue"

    def run(self, *args: str, text: str | None = None) -> Result:
        """Run a command; ``APP`` among the arguments stands for this application."""
        return CliRunner().invoke(cli, [self.ref if a == "APP" else a for a in args], input=text)

    def forget(self, module: str) -> None:
        """Let the next command import a module of the folder anew."""
        sys.modules.pop(module, None)

    def do(self, work: Callable[[Queue], Awaitable[T]]) -> T:
        """Do something with the queue."""

        async def scope() -> T:
            queue = load_queue(self.ref, None)
            try:
                return await work(queue)
            finally:
                await queue.close()

        return asyncio.run(scope())

    @contextlib.contextmanager
    def worker(self, *options: str, ref: str | None = None) -> Iterator[subprocess.Popen[str]]:
        """Run a worker process, ended by SIGTERM; what it logged is in ``log`` then."""
        process = subprocess.Popen(
            [sys.executable, "-m", "aiojobs_redis", "worker", ref or self.ref, *options],
            cwd=self.folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            self.log = process.communicate(timeout=30)[1]

    def work(self) -> None:
        """Run all that is queued."""

        async def burst(queue: Queue) -> None:
            await Worker(queue, app=self.ref).run(burst=True)

        self.do(burst)


@contextlib.contextmanager
def changeable(kind: str, folders: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of that kind, with persistence, whose settings tests may change."""
    server = ServerProcess(find_servers()[kind], folders.mktemp("server"), "--appendonly", "yes")
    server.start()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def client(server: ServerProcess) -> Iterator[Any]:
    """A raw client to the server of a module."""
    with redis.Redis(unix_socket_path=str(server.socket), protocol=2) as client:
        yield client


@pytest.fixture
def app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, valkey_server: ServerProcess
) -> Iterator[App]:
    """An application whose queue is empty, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = App(tmp_path, f"q{uuid.uuid4().hex[:12]}", valkey_server.url)
    yield made
    made.do(lambda queue: queue.destroy(force=True))
    for name in [path.stem for path in tmp_path.glob("*.py")]:
        made.forget(name)
