"""A queue in a Starlette or FastAPI application: its life, its errors, its health, its metrics.

Needs Starlette, which FastAPI brings, and so does ``pip install 'aiojobs-redis[web]'``. One queue
without a worker needs none of this: ``FastAPI(lifespan=queue.lifespan)`` connects it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

try:
    from starlette.responses import JSONResponse, Response
except ImportError as _error:
    raise ImportError(
        "this needs the package starlette: pip install 'aiojobs-redis[web]'"
    ) from _error

from aiojobs_redis.errors import (
    AiojobsError,
    ArgumentsInvalid,
    ConfigInvalid,
    JobNotFound,
    JobStateError,
    KeyFull,
    NotReplicated,
    PayloadTooLarge,
    QueueFull,
    QueueUnavailable,
    RateExceeded,
    TaskNotRegistered,
    WorkerNotFound,
)
from aiojobs_redis.queue import Queue
from aiojobs_redis.worker.control import report_end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request

    from aiojobs_redis.handle import Job
    from aiojobs_redis.worker.worker import Worker

    Endpoint = Callable[[Request], Awaitable[Response]]
    Lifespan = Callable[[Any], AbstractAsyncContextManager[None]]

__all__ = ["accepted", "error_handlers", "health_endpoint", "lifespan", "metrics_endpoint"]

_STATUS: tuple[tuple[type[AiojobsError], int], ...] = (
    (RateExceeded, 429),
    (KeyFull, 429),
    (QueueFull, 503),
    (QueueUnavailable, 503),
    (NotReplicated, 503),
    (PayloadTooLarge, 413),
    (JobNotFound, 404),
    (WorkerNotFound, 404),
    (JobStateError, 409),
    (ArgumentsInvalid, 422),
    (TaskNotRegistered, 422),
    (ConfigInvalid, 422),
)
_AGAIN = 1
"""Seconds after which a request may be sent again that found Redis full or away."""
_IN_A_URL = "%/:?#[]@!$&'()*+,;=~"
_LONE_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")


def lifespan(*queues: Queue, worker: Callable[[], Worker] | None = None) -> Lifespan:
    """Return the lifespan of an application that holds queues, and perhaps a worker.

    Args:
        queues: Connected while the application runs.
        worker: Makes a worker that runs within the application, such as ``lambda: Worker(queue)``.
            An application whose worker cannot start does not start either. It stops before the
            queues are closed, as long as its grace says.
    """

    @contextlib.asynccontextmanager
    async def opened(app: Any) -> AsyncGenerator[None]:
        async with contextlib.AsyncExitStack() as stack:
            for queue in queues:
                await stack.enter_async_context(queue)
            if worker is not None:
                await stack.enter_async_context(_working(worker()))
            yield

    return opened


@contextlib.asynccontextmanager
async def _working(worker: Worker) -> AsyncGenerator[None]:
    # Not the worker's own block: an application goes on to answer when its worker has failed, and
    # servers take a lifespan that ends by itself for one that is not there.
    run = asyncio.create_task(worker.run(), name="aiojobs-worker-run")
    run.add_done_callback(report_end)
    try:
        await worker.wait_until_ready()
        yield
    finally:
        worker.stop()
        await run


def accepted(job: Job[Any], location: object, **more: Any) -> JSONResponse:
    """Return the answer to a request whose work a job does: 202, with its id and where to look.

    What a URL cannot hold is percent-encoded in it. A ``?``, ``#`` or ``/`` of an id cannot be told
    from those of the URL, no path can hold the id ``..``, and ``url_for`` drops line ends: let the
    id be a parameter, as in ``request.url_for("status").include_query_params(id=job.id)``, where it
    may be any text.

    Args:
        job: The job.
        location: Path or URL at which the client finds how it is.
        more: More fields of the body, beside ``id`` and ``created``.
    """
    place = _as_url(str(location))
    body = {"id": job.id, "created": job.created, "location": place, **more}
    return JSONResponse(body, 202, headers={"Location": place})


def _as_url(text: str) -> str:
    # `url_for` puts parameters in as they are. The job is added by now: nothing here may fail, as a
    # header that is no Latin-1 does, and no line end may get into one.
    return quote(_LONE_PERCENT.sub("%25", text), safe=_IN_A_URL, errors="surrogatepass")


async def _problem(_: Request, error: Exception) -> Response:
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    # What is the server's own fault may name addresses: that is for the log.
    detail = str(error) if status < 500 else "the queue cannot take this now, try again"
    wait = error.retry_after if isinstance(error, RateExceeded) else _AGAIN
    # Rounded up: whoever came a moment before would be refused again.
    headers = {"Retry-After": str(max(1, math.ceil(wait)))} if status in {429, 503} else None
    return JSONResponse(
        {"title": type(error).__name__, "status": status, "detail": detail},
        status,
        headers,
        media_type="application/problem+json",
    )


def error_handlers() -> Mapping[Any, Callable[[Request, Exception], Awaitable[Response]]]:
    """Return handlers for `FastAPI(exception_handlers=error_handlers())`, problem+json each.

    429 for `RateExceeded` and `KeyFull`, 503 for `QueueFull`, `QueueUnavailable` and
    `NotReplicated`, both with ``Retry-After``; 413 for `PayloadTooLarge`, 404 for `JobNotFound` and
    `WorkerNotFound`, 409 for `JobStateError`, 422 for wrong arguments and options. Any other error
    is left to the application.
    """
    return {kind: _problem for kind, _ in _STATUS}


def health_endpoint(queues: Queue | Iterable[Queue], **limits: Any) -> Endpoint:
    """Return an endpoint for probes: 200 while all queues are well, else 503.

    Args:
        queues: The queues.
        limits: Those of `Queue.health`.
    """
    asked = [queues] if isinstance(queues, Queue) else list(queues)

    async def health(_: Request) -> Response:
        # At once: as many that do not answer are to take no longer than one.
        every = await asyncio.gather(*(queue.health(**limits) for queue in asked))
        found = {queue.name: one for queue, one in zip(asked, every, strict=True)}
        ok = all(one.ok for one in found.values())
        # No addresses: whoever may probe need not know where Redis is.
        problems = {
            name: list(one.problems) if one.counts is not None else ["Redis does not answer"]
            for name, one in found.items()
            if not one.ok
        }
        return JSONResponse({"ok": ok, "problems": problems}, 200 if ok else 503)

    return health


def metrics_endpoint(queues: Queue | Iterable[Queue]) -> Endpoint:
    """Return an endpoint for Prometheus, which needs the extra ``prometheus``.

    Args:
        queues: The queues that it shows, beside the metrics of the process.

    Raises:
        ImportError: prometheus-client is not installed.
    """
    from aiojobs_redis.contrib.prometheus import CONTENT_TYPE, exposition

    asked = [queues] if isinstance(queues, Queue) else list(queues)

    async def scrape(_: Request) -> Response:
        return Response(await exposition(asked), media_type=CONTENT_TYPE)

    return scrape
