"""A dashboard over real queues with a live worker, served on a thread, for tests in a browser."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import uvicorn

from aiojobs_redis import Queue, Worker, current_job
from aiojobs_redis.web import Dashboard
from tests.support.servers import free_port
from tests.support.waiting import wait_until

__all__ = ["Stage"]

T = TypeVar("T")
_SECONDS = 20.0


class Stage:
    """Two queues, one worker of the first and the dashboard of both.

    Args:
        url: Of the server of the queues.
        dashboard: Further arguments of the `Dashboard`, which lets everybody act unless they say
            something else.
    """

    def __init__(self, url: str, **dashboard: Any) -> None:
        name = f"b{uuid.uuid4().hex[:8]}"
        self.queue = Queue(name, url, namespace="test")
        self.other = Queue(f"{name}-idle", url, namespace="test")
        self._gate = asyncio.Event()
        self._dashboard = Dashboard([self.queue, self.other], **({"read_only": False} | dashboard))
        self._port = free_port()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        register(self.queue, self._gate)
        register(self.other, self._gate)

    @property
    def url(self) -> str:
        """Where the dashboard is."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Return when it answers."""
        self._thread.start()
        assert self._ready.wait(_SECONDS), "the dashboard did not start"
        if self._failure is not None:
            raise AssertionError("the dashboard did not start") from self._failure

    def stop(self) -> None:
        """End it, and delete the queues."""
        self.open_gate()
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_SECONDS)
        assert not self._thread.is_alive(), "the dashboard did not stop"

    def open_gate(self) -> None:
        """Let the jobs of the task ``hold`` return."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something on its event loop and return what comes of it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    def wait(self, holds: Callable[[], Awaitable[bool]], description: str) -> None:
        """Wait until an async condition holds."""
        # A little earlier than `run` gives up, so that the failure says what was waited for.
        self.run(wait_until(holds, description, 0.9 * _SECONDS))

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as error:
            self._failure = error
            self._ready.set()
            raise
        finally:
            self._loop.close()

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        config = uvicorn.Config(
            self._dashboard,
            host="127.0.0.1",
            port=self._port,
            log_level="error",
            ws="none",
            lifespan="off",
        )
        server = uvicorn.Server(config)
        # Signals are the test run's.
        async with Worker(self.queue, concurrency=4):
            serving = asyncio.create_task(server._serve())
            await wait_until(lambda: server.started or serving.done(), "the server to listen")
            if serving.done():
                await serving
            self._ready.set()
            await self._stop.wait()
            server.should_exit = True
            server.force_exit = True
            await serving
        for queue in (self.queue, self.other):
            await queue.destroy(force=True)


def register(queue: Queue, gate: asyncio.Event) -> None:
    """Register the tasks of the tests."""

    @queue.task
    async def greet(name: str, mood: dict[str, Any] | None = None) -> dict[str, Any]:
        await current_job().log(f"hello {name}")
        return {"greeted": name, "mood": mood}

    @queue.task(attempts=1)
    async def fail(text: str) -> None:
        raise LookupError(text)

    @queue.task(attempts=2, backoff=[3600])
    async def flaky(text: str) -> None:
        raise ConnectionError(text)

    @queue.task
    async def hold(name: str) -> str:
        await current_job().progress(3, total=4, note="nearly")
        await current_job().log("waiting for the gate")
        await gate.wait()
        return name
