"""`worker app:worker`: a Worker that the application made, with its lifespan and middleware."""

from __future__ import annotations

import signal
import subprocess
import sys

from aiojobs_redis import JobState, Queue, Worker
from aiojobs_redis.cli.app import load_queues, load_worker
from tests.cli.conftest import App
from tests.support.waiting import wait_until

CODE = """
from contextlib import asynccontextmanager
from pathlib import Path
from aiojobs_redis import Depends, Worker
from {module} import queue

book = Path(__file__).with_name("book.txt")

def note(text):
    with book.open("a") as file:
        file.write(text + "\\n")

class Pool: ...
class Missing: ...

@asynccontextmanager
async def lifespan(worker):
    note("open")
    yield Pool()
    note("close")

@asynccontextmanager
async def broken(worker):
    raise ConnectionError("the database is away")
    yield

async def middleware(job, call_next):
    note("around")
    return await call_next(job)

@queue.task
async def ask(pool: Pool = Depends()) -> str:
    note("task")
    return type(pool).__name__

worker = Worker(queue, lifespan=lifespan, middleware=[middleware], concurrency=3)
bad = Worker(queue, lifespan=broken)
"""


def write(app: App, more: str = "") -> str:
    (app.folder / f"work_{app.name}.py").write_text(CODE.format(module=app.module) + more)
    return f"work_{app.name}"


def run(app: App, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aiojobs_redis", "worker", *args],
        cwd=app.folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_worker_of_an_application_runs_with_its_lifespan_and_middleware(app: App) -> None:
    module = write(app)
    job = app.do(lambda queue: queue.enqueue("ask"))

    ended = run(app, f"{module}:worker", "--burst")

    assert ended.returncode == 0, ended.stderr
    assert "3 jobs at once" in ended.stderr.splitlines()[0]
    assert app.do(lambda queue: queue.job(job.id).result(1)) == "Pool"
    book = (app.folder / "book.txt").read_text().split()
    assert book == ["open", "around", "task", "close"]


def test_it_obeys_signals_and_options_that_are_given(app: App) -> None:
    module = write(app)
    with app.worker("-c", "7", ref=f"{module}:worker") as process:

        async def listed(queue: Queue) -> None:
            async def there() -> bool:
                return [worker.concurrency for worker in await queue.workers()] == [7]

            await queue.enqueue("ask", delay=3600)
            await wait_until(there, "the worker to be listed", 30)

        app.do(listed)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert (app.folder / "book.txt").read_text().split() == ["open", "close"]


def test_a_lifespan_that_fails_is_one_line_and_exit_code_1(app: App) -> None:
    module = write(app)
    job = app.do(lambda queue: queue.enqueue("ask"))

    ended = run(app, f"{module}:bad", "--burst")

    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "Error: the lifespan of the worker failed while it opened; no job was started: "
        "ConnectionError: the database is away"
    )
    assert "Traceback" not in ended.stderr
    assert app.do(lambda queue: queue.job(job.id).state()) is JobState.QUEUED


def test_a_task_that_asks_for_what_is_not_there_is_exit_code_2(app: App) -> None:
    module = write(app, "\n@queue.task\nasync def lacks(thing: Missing = Depends()) -> None: ...\n")
    for name, asks, has in (
        ("worker", "'thing' for a Missing", "yields Pool"),
        ("queue", "'pool' for a Pool", "yields nothing, or there is none"),
    ):
        ended = run(app, f"{module}:{name}", "--burst")
        assert ended.returncode == 2
        text = f"asks by {asks}, and the lifespan of the worker {has}"
        assert text in ended.stderr.splitlines()[-1]


def test_other_commands_take_its_queues_and_it_has_no_queue_option(app: App) -> None:
    module = write(app)
    assert app.run("stats", f"{module}:worker").exit_code == 0
    assert [queue.name for queue in load_queues(f"{module}:worker")] == [app.name]
    assert isinstance(load_worker(f"{module}:worker"), Worker)
    assert load_worker(app.ref) is None

    refused = app.run("worker", f"{module}:worker", "-q", app.name)
    assert refused.exit_code == 2
    assert "is a Worker, which decides that by itself" in refused.output
