"""A FastAPI application whose slow work is done by jobs.

    pip install 'aiojobs-redis[web,prometheus]' fastapi
    uvicorn app:app

POST /reports answers at once with 202 and where to look; GET /jobs?id=... tells how the job is.
Here the worker runs within the application; for a process of its own leave ``worker=`` out and
start ``aiojobs-redis worker app:queue``.
"""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from pydantic import BaseModel, Field

from aiojobs_redis import Queue, Worker, current_job
from aiojobs_redis.contrib.prometheus import PrometheusMetrics
from aiojobs_redis.contrib.starlette import (
    accepted,
    error_handlers,
    health_endpoint,
    lifespan,
    metrics_endpoint,
)
from aiojobs_redis.web import Dashboard

queue = Queue("reports", namespace=os.environ.get("EXAMPLE_NAMESPACE", "examples"))
metrics = PrometheusMetrics()
metrics.watch(queue)


@queue.task
async def report(customer: str, months: int) -> str:
    for month in range(months):
        await current_job().progress(month + 1, months)
    return f"{months} months of {customer}"


def make_worker() -> Worker:
    worker = Worker(queue, concurrency=5)
    metrics.watch(worker)
    return worker


app = FastAPI(lifespan=lifespan(queue, worker=make_worker), exception_handlers=error_handlers())
app.add_route("/health", health_endpoint(queue, max_dead=100))
app.add_route("/metrics", metrics_endpoint(queue))
# Without a token it answers this machine alone.
app.mount("/dashboard", Dashboard(queue, token=os.environ.get("DASHBOARD_TOKEN")))


def reports() -> Queue:
    """Give a route the queue; a test puts another one in its place."""
    return queue


Reports = Annotated[Queue, Depends(reports)]


class Wanted(BaseModel):
    customer: str
    months: int = Field(gt=0, le=120)


@app.post("/reports", status_code=202)
async def order(wanted: Wanted, request: Request, queue: Reports) -> Response:
    # The same request twice is one job.
    job = await queue.enqueue(
        "report", wanted.customer, wanted.months, unique=f"{wanted.customer}:{wanted.months}"
    )
    return accepted(job, request.url_for("status").include_query_params(id=job.id))


@app.get("/jobs")
async def status(id: str, queue: Reports) -> dict[str, Any]:
    info = await queue.job(id).info()
    if info is None:
        raise HTTPException(404, f"there is no job {id}")
    found: dict[str, Any] = {"id": id, "state": info.state, "progress": info.progress}
    if info.state == "completed":
        found["result"] = await queue.job(id).result(timeout=5)
    elif info.errors:
        found["error"] = info.errors[-1].type
    return found
