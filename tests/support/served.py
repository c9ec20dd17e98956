"""An ASGI application behind a real port, with its workers, on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn

from aiojobs_redis import Queue, Worker
from tests.support.servers import free_port
from tests.support.waiting import wait_until

__all__ = ["serve"]

_PATIENCE = 15.0


@contextlib.contextmanager
def serve(make: Callable[[], Awaitable[tuple[Any, list[Queue]]]], **options: Any) -> Iterator[str]:
    """Serve an application on 127.0.0.1 and yield its URL.

    Args:
        make: Returns the application and the queues whose jobs are run; called on the thread.
        options: Of uvicorn.
    """
    port = free_port()
    ready, stop = threading.Event(), threading.Event()
    faults: list[BaseException] = []

    async def main() -> None:
        app, queues = await make()
        config = uvicorn.Config(
            app, host="127.0.0.1", port=port, log_level="warning", ws="none", **options
        )
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        async with contextlib.AsyncExitStack() as stack:
            for queue in queues:
                await stack.enter_async_context(Worker(queue))
            task = asyncio.create_task(server._serve())
            await wait_until(lambda: server.started or task.done(), "the server to listen")
            ready.set()
            await asyncio.to_thread(stop.wait)
            server.should_exit = True
            await task
        for queue in queues:
            await queue.close()

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            faults.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="served", daemon=True)
    thread.start()
    assert ready.wait(_PATIENCE), "the application did not start"
    try:
        if not faults:
            yield f"http://127.0.0.1:{port}"
    finally:
        stop.set()
        thread.join(_PATIENCE)
    if faults:
        raise faults[0]
    assert not thread.is_alive(), "the application did not stop"
