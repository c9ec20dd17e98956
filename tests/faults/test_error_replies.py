"""Each error reply of Redis to each kind of command: nobody exits, nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest

from aiojobs_redis import AiojobsError, Queue, QueueFull, QueueUnavailable, Worker
from aiojobs_redis._redis import store
from aiojobs_redis._redis.connection import Server
from aiojobs_redis._redis.faults import CODES, Fault
from aiojobs_redis._redis.scripts import LOADS, SCRIPTS
from tests.docs.pages import DOCS
from tests.support.figures import record
from tests.support.proxy import Predicate, runs_script
from tests.support.refusals import RefusingProxy
from tests.support.waiting import wait_until

# As the servers word them; those that are missing are made up of their code.
REPLIES = {
    "ASK": "ASK 3999 127.0.0.1:1",
    "BUSY": "BUSY Redis is busy running a script. You can only call SCRIPT KILL.",
    "CLUSTERDOWN": "CLUSTERDOWN The cluster is down",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN": "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is 'no'.",
    "MISCONF": "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist.",
    "MOVED": "MOVED 3999 127.0.0.1:1",
    "NOAUTH": "NOAUTH Authentication required.",
    "NOPERM": "NOPERM User default has no permissions to run the 'evalsha' command",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "TRYAGAIN": "TRYAGAIN Multiple keys request during rehashing of slot",
    "UNBLOCKED": "UNBLOCKED force unblock from blocking operation, instance state changed",
    "WRONGPASS": "WRONGPASS invalid username-password pair or user is disabled.",
}
CASES = {code: (REPLIES.get(code, f"{code} as the server says"), CODES[code]) for code in CODES}
CASES["clients"] = ("ERR max number of clients reached", Fault.RETRY)
CASES["cluster clients"] = ("ERR max number of clients + cluster connections reached", Fault.RETRY)
CASES["unknown"] = ("ERR something that nobody knows", Fault.FAIL)

ENQUEUES = ("enqueue", "enqueue_one")
KINDS: dict[str, Predicate] = {
    "exchange": runs_script("exchange"),
    "renew": runs_script("renew"),
    "beat": runs_script("beat"),
    "bell": lambda words: words[0] == b"BZPOPMIN",
}
# A script that is not there is loaded and called again, more than once.
REFUSALS = {"NOSCRIPT": LOADS + 1}
EXPECTED = {Fault.FATAL: QueueUnavailable, Fault.FULL: QueueFull, Fault.FAIL: AiojobsError}
JOBS = 12


@pytest.fixture
def socket(real_url: str) -> str:
    """The socket of a server that has all scripts."""
    link = Server.from_url(real_url).sync_link(5.0)
    assert link is not None
    for script in SCRIPTS.values():
        link.call("SCRIPT", "LOAD", script.text)
    link.close()
    return real_url.removeprefix("unix://")


@pytest.mark.requirement("F22")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("script", ENQUEUES)
async def test_a_producer_gets_the_error_of_the_table(
    socket: str, queue_name: str, case: str, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply, fault = CASES[case]
    options = {"priority": 1} if script == "enqueue" else {}
    async with (
        RefusingProxy(socket) as proxy,
        Queue(queue_name, proxy.url, namespace="test") as queue,
    ):
        await queue.enqueue("work", id="first")
        for _ in range(REFUSALS.get(case, 1)):
            proxy.refuse(runs_script(script), reply)
        if fault is Fault.RETRY:
            assert (await queue.enqueue("work", id="second", **options)).created
        else:
            with pytest.raises(AiojobsError) as caught:
                await queue.enqueue("work", id="second", **options)
            assert type(caught.value) is EXPECTED[fault]
            assert (await queue.counts()).queued == 1
            assert (await queue.enqueue("work", id="second", **options)).created
        assert proxy.refused()
        assert (await queue.counts()).queued == 2
        # What does not pass in time is told too.
        defaults = store.Store.ask.__kwdefaults__
        assert defaults is not None
        monkeypatch.setitem(defaults, "patience", 0.1)
        proxy.refuse(runs_script(script), reply, always=True)
        with pytest.raises(EXPECTED.get(fault, QueueUnavailable)):
            await queue.enqueue("work", id="third", **options)
        assert (await queue.counts()).queued == 2


@pytest.mark.requirement("F22")
async def test_a_worker_outlives_every_error_of_every_command(socket: str, queue_name: str) -> None:
    runs = await asyncio.gather(*(outlive(socket, queue_name, case) for case in CASES))
    record("F22", n=len(CASES) * len(KINDS), lost=0, caused=sum(runs), note="replies x commands")


async def outlive(socket: str, name: str, case: str) -> int:
    """Have each kind of command of one worker refused; return how often jobs ran again."""
    reply, _ = CASES[case]
    ran: Counter[str] = Counter()
    async with (
        RefusingProxy(socket) as proxy,
        Queue(f"{name}.{re.sub('[^a-z]', '', case.lower())}", proxy.url, namespace="test") as queue,
    ):
        # Long enough for a slow machine that has a worker for every case at once.
        @queue.task(lease=60)
        async def work(number: str) -> None:
            ran[number] += 1
            await wait_until(proxy.refused, f"a refusal of each command with {case}", timeout=15)

        worker = Worker(queue, concurrency=JOBS)
        running = asyncio.create_task(worker.run())
        # The shortest lease says how often all of them are renewed.
        first = await work.options(lease=9).enqueue("first")
        await wait_until(lambda: ran["first"], f"the first job with {case}", timeout=10)
        for matches in KINDS.values():
            for _ in range(REFUSALS.get(case, 1)):
                proxy.refuse(matches, reply)
        jobs = [first, *[await work.enqueue(f"{number}") for number in range(JOBS * 2)]]
        for job in jobs:
            await job.result(timeout=30)
        assert not running.done(), case
        counts = await queue.counts()
        assert (counts.completed, counts.unfinished, counts.dead) == (len(jobs), 0, 0), case
        worker.stop()
        await running
        await queue.destroy(force=True)
    assert set(ran.values()) == {1}, (case, ran)
    return sum(ran.values()) - len(jobs)


@pytest.mark.requirement("F22")
@pytest.mark.parametrize("case", ["LOADING", "NOAUTH", "MASTERDOWN"])
async def test_a_worker_that_starts_waits_for_what_passes_and_ends_for_what_does_not(
    socket: str, queue_name: str, case: str
) -> None:
    reply, fault = CASES[case]
    async with RefusingProxy(socket) as proxy:
        queue = Queue(queue_name, proxy.url, namespace="test")
        proxy.refuse(lambda words: words[0] == b"INFO", reply)
        worker = Worker(queue)
        running = asyncio.create_task(worker.run())
        if fault is Fault.FATAL:
            with pytest.raises(QueueUnavailable, match="refused this client"):
                await running
        else:
            await queue.enqueue("work", id="x")
            await wait_until(proxy.refused, "the refusal")
            assert not running.done()
            worker.stop()
            await running
        await queue.close()


def test_the_page_has_the_table() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| meaning | replies |")
    found = {
        code: Fault(meaning)
        for meaning, replies in re.findall(r"^\| \*\*(\w+)\*\*.*? \| (.*?) \| ", table, re.M)
        for code in re.findall(r"`([A-Z]+)`", replies)
    }

    assert found == CODES
