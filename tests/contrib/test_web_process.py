"""A web server of its own process: the example by its documented command, and how one ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobState, Queue
from tests.docs.pages import DOCS
from tests.support.servers import ServerProcess, free_port
from tests.support.waiting import wait_until

EXAMPLE = DOCS / "examples" / "fastapi"
APP = """
import asyncio
from fastapi import FastAPI
from aiojobs_redis import Queue, Worker
from aiojobs_redis.contrib.starlette import lifespan

queue = Queue("web")

@queue.task
async def work(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"

app = FastAPI(lifespan=lifespan(queue, worker=lambda: Worker(queue, grace=5)))
"""


def ask(url: str, body: Any = None) -> Any:
    """Send a request, a POST where there is a body, and return what is answered."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@contextlib.asynccontextmanager
async def served(
    folder: Path, command: str, server: ServerProcess, namespace: str
) -> AsyncIterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a web server by its command on a free port; yields its URL and the process."""
    port = free_port()
    program, *words = shlex.split(command)
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / program), *words, "--port", str(port)],
        cwd=folder,
        env={
            **os.environ,
            "AIOJOBS_REDIS_URL": server.url,
            "AIOJOBS_REDIS_NAMESPACE": namespace,
            "EXAMPLE_NAMESPACE": namespace,
        },
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return bool(ask(f"{url}/openapi.json"))
        return False

    try:
        await wait_until(lambda: asyncio.to_thread(answers), "the web server", 30)
        yield url, process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def namespace() -> str:
    return f"web-{uuid.uuid4().hex[:8]}"


@pytest.mark.requirement("R18")
async def test_the_example_runs_by_its_documented_command(
    valkey_server: ServerProcess, namespace: str
) -> None:
    found = re.search(r"^    (uvicorn .+)$", (EXAMPLE / "app.py").read_text(), re.M)
    assert found is not None

    async with (
        served(EXAMPLE, found[1], valkey_server, namespace) as (url, _),
        Queue("reports", valkey_server.url, namespace=namespace) as queue,
    ):
        wanted = {"customer": "Ada", "months": 2}
        job = await asyncio.to_thread(ask, f"{url}/reports", wanted)

        async def completed() -> bool:
            told = await asyncio.to_thread(ask, job["location"])
            return bool(told["state"] == "completed" and told["result"] == "2 months of Ada")

        await wait_until(completed, "the report", 30)
        assert (await asyncio.to_thread(ask, f"{url}/health"))["ok"]
        await queue.destroy(force=True)


@pytest.mark.requirement("B27")
async def test_a_web_server_that_ends_finishes_jobs_and_hands_back_the_others(
    valkey_server: ServerProcess, namespace: str, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text(APP)

    async with (
        Queue("web", valkey_server.url, namespace=namespace) as queue,
        served(tmp_path, "uvicorn app:app", valkey_server, namespace) as (_, process),
    ):
        jobs = [await queue.enqueue("work", seconds) for seconds in (2, 600)]

        async def run() -> bool:
            return (await queue.counts()).running == 2

        await wait_until(run, "both jobs to run", 30)
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 60)
        short, long = [await job.info() for job in jobs]
        left = await queue.workers()
        await queue.destroy(force=True)

    # uvicorn ends by the signal that it was sent, once all is shut down.
    assert process.returncode in {0, -signal.SIGTERM}
    assert short is not None
    assert long is not None
    assert (short.state, long.state) == (JobState.COMPLETED, JobState.QUEUED)
    assert (long.attempt, long.lost_deliveries) == (1, 0)
    assert left == []
