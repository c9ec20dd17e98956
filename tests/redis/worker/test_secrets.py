"""Passwords, arguments and results are in no log, message or record that they do not belong in."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from aiojobs_redis import AiojobsError, Fail, JobFailed, Queue, Retry, Snooze, Worker
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.faults import FAULTS, translate
from aiojobs_redis.cli.main import cli
from tests.redis.worker.test_bad_specs import replace_spec
from tests.support.acl import PASSWORD, as_user, grant
from tests.support.raw import raw
from tests.support.servers import ServerProcess, free_port
from tests.support.waiting import wait_until

# In two parts, because a traceback shows lines of source too.
CANARY = "-".join(("canary", "5f3a", "in", "arguments"))


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that any logger says, at DEBUG, with tracebacks."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.requirement("S11")
async def test_arguments_and_results_are_in_no_log(queue: Queue, log: io.StringIO) -> None:
    @queue.task
    async def fine(text: str, *, more: dict[str, str]) -> str:
        return text

    @queue.task(attempts=2, backoff=[0.0])
    async def failing(text: str) -> None:
        raise ValueError("no")

    @queue.task(attempts=2, backoff=[0.0])
    async def again(text: str) -> str:
        raise Retry(delay=0)

    @queue.task
    async def given_up(text: str) -> str:
        raise Fail("no")

    @queue.task(timeout=0.05)
    async def slow(text: str) -> None:
        await asyncio.sleep(60)

    @queue.task
    def threaded(text: str) -> str:
        return text

    @queue.task
    async def blocking(text: str) -> str:
        return text

    @queue.task
    async def misfit(number: int) -> int:
        return number

    snoozed = 0

    @queue.task
    async def snoozing(text: str) -> str:
        nonlocal snoozed
        snoozed += 1
        if snoozed == 1:
            raise Snooze(delay=0)
        return text

    jobs = [
        await fine.options(headers={"h": CANARY}).enqueue(CANARY, more={CANARY: CANARY}),
        *[await task.enqueue(CANARY) for task in (threaded, blocking, snoozing)],
        *[await task.enqueue(CANARY) for task in (failing, again, given_up)],
        await slow.options(attempts=1).enqueue(CANARY),
        await queue.enqueue("misfit", CANARY),
        await queue.enqueue("unknown", CANARY),
    ]
    damaged = await fine.enqueue(CANARY, more={})
    await replace_spec(queue, damaged.id, b"\x93\x01\xa4fine" + CANARY.encode())
    await queue.schedule("pulse", fine.bind(CANARY, more={}), every=1)
    cancelled = await slow.options(timeout=None, lease=1.5).enqueue(CANARY)
    async with Worker(queue):
        results = await asyncio.gather(
            *(job.result(10) for job in (*jobs[:9], damaged)), return_exceptions=True
        )
        assert results[:4] == [CANARY] * 4
        assert all(isinstance(result, JobFailed) for result in results[4:])
        assert await cancelled.cancel(CANARY)

        async def ended() -> bool:
            counts = await queue.counts()
            return counts.cancelled == 1 and counts.blocked == 1

        await wait_until(ended, "the cancellation and the parking")
    text = log.getvalue()
    assert "failing" in text
    assert "unknown" in text
    assert CANARY not in text


@pytest.mark.requirement("S12")
async def test_an_exception_is_stored_as_capped_text_without_locals(queue: Queue) -> None:
    class OddError(Exception):
        pass

    @queue.task(attempts=1)
    async def fail(text: str) -> None:
        local = text
        message = "\N{FIRE}" * 5000
        if local:
            raise OddError(message)

    @queue.task(attempts=1)
    async def deep(text: str) -> None:
        error: Exception = ValueError("x" * 50_000)
        for _ in range(200):
            error.__cause__ = ValueError("y" * 5000)
            error.__cause__.__cause__, error = error, error.__cause__
            break
        raise RuntimeError("z" * 10_000) from error

    jobs = [await fail.enqueue(CANARY), await deep.enqueue(CANARY)]
    async with Worker(queue):
        await asyncio.gather(*(job.result(10) for job in jobs), return_exceptions=True)
    for job in jobs:
        info = await job.info()
        assert info is not None
        [error] = info.errors
        assert error.type in {"OddError", "RuntimeError"}
        assert 4000 < len(error.message.encode()) <= 4096
        assert 1000 < len(error.traceback.encode()) <= 32768
        stored: bytes = await raw(queue, "HGET", queue.store.keys["errors"], job.id)
        assert stored.startswith(b'{"type":')
        assert CANARY.encode() not in stored
        assert b"\x80" not in stored[:2]


SECRET = PASSWORD


def urls(real_url: str) -> list[str]:
    """URLs with the secret in them, each wrong in its own way."""
    port = free_port()
    return [
        as_user(real_url, "nobody"),
        real_url.replace("unix://", f"unix://:{SECRET}@"),
        f"redis://user:{SECRET}@127.0.0.1:{port}/0",
        f"rediss://user:{SECRET}@127.0.0.1:{port}/0",
        f"redis://user:{SECRET}@no.such.host.invalid:{port}/0",
        f"redis+sentinel://user:{SECRET}@127.0.0.1:{port}/mymaster?sentinel_password={SECRET}",
        f"redis+cluster://user:{SECRET}@127.0.0.1:{port}",
        f"redis://user:{SECRET}@127.0.0.1:{port}/0?client_name={SECRET}",
    ]


@pytest.mark.requirement("S10")
async def test_a_password_is_in_no_error_log_or_repr(
    valkey_server: ServerProcess, log: io.StringIO
) -> None:
    told, real_url, queue_name = [], valkey_server.url, "secrets"
    for url in (*urls(real_url), grant(real_url, "reader")):
        server = Server.from_url(url)
        link, sync = server.link(1.0), server.sync_link(1.0)
        queue = Queue(queue_name, url, namespace="test")
        told += [repr(each) for each in (queue, server, link, sync, queue.job("x"), vars(queue))]
        with pytest.raises(FAULTS) as caught:
            await link.call("ZADD", "other", "0", "1")
        told += traceback.format_exception(caught.value)
        told += traceback.format_exception(translate(caught.value, link.server))
        if sync is not None:
            with pytest.raises(FAULTS) as caught:
                sync.call("ZADD", "other", "0", "1")
            told += traceback.format_exception(caught.value)
            sync.close()
        await link.close()
        await queue.close()
    # Through the whole package, and a worker that logs its outage.
    queue = Queue(queue_name, as_user(real_url, "nobody"), namespace="test")
    for ask in (queue.connect, lambda: queue.enqueue("work"), queue.job("x").result):
        with pytest.raises(AiojobsError) as refused:
            await ask()
        told += traceback.format_exception(refused.value)
    worker = Worker(queue)
    running = asyncio.create_task(worker.run())
    await asyncio.wait([running], timeout=1)
    worker.stop(grace=0)
    [ended] = await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), 20)
    told.append(repr(ended))
    await queue.close()
    text = "".join(told) + log.getvalue()
    assert "127.0.0.1" in text
    assert SECRET not in text


@pytest.mark.requirement("S10")
@pytest.mark.parametrize("kind", [0, 2])
def test_a_password_is_in_no_output_of_the_command_line(
    valkey_server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int
) -> None:
    (tmp_path / "secretapp.py").write_text(
        "from aiojobs_redis import Queue\n"
        "queue = Queue('secrets', namespace='test')\n"
        "@queue.task\n"
        "async def work(): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    url = urls(valkey_server.url)[kind]
    monkeypatch.setenv("AIOJOBS_REDIS_URL", url)
    monkeypatch.delitem(sys.modules, "secretapp", raising=False)
    outputs = []
    for command in (
        ["doctor", "secretapp:queue"],
        ["doctor", "secretapp:queue", "--json"],
        ["stats", "secretapp:queue"],
        ["enqueue", "secretapp:queue", "work"],
        ["job", "ls", "secretapp:queue"],
    ):
        result = CliRunner().invoke(cli, command)
        assert result.exit_code != 0, command
        outputs.append(result.output + repr(result.exception))
    monkeypatch.delitem(sys.modules, "secretapp", raising=False)
    worker: Any = subprocess.Popen(
        [sys.executable, "-m", "aiojobs_redis", "worker", "secretapp:queue", "--burst"],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        outputs.append(worker.communicate(timeout=2.5)[0])
    except subprocess.TimeoutExpired:
        arguments = Path(f"/proc/{worker.pid}/cmdline").read_text(encoding="utf-8")
        worker.kill()
        outputs += [arguments, worker.communicate()[0]]
    text = "".join(outputs)
    assert "Redis" in text
    assert SECRET not in text
