"""The process of a job is killed whenever it leaves something: nothing that it left is undone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aiojobs_redis import JobNotFound, Queue, Worker, check_history
from tests.support import figures
from tests.support.deaths import Place, places, shares
from tests.support.invariants import faults
from tests.support.killpoint import Moment
from tests.support.lines import whole_lines
from tests.support.proxy import Proxy, runs_script
from tests.support.raw import raw
from tests.support.servers import ServerProcess
from tests.support.snapshots import snapshot, sync_client
from tests.support.stepping_app import JOBS, NAME, build, faults_of_events, faults_of_journal
from tests.support.tiers import sizes_over_servers

_leaves = runs_script("jot", "take_once", "end_once")


class Hunter:
    """Kills the process that asked for a call, before or after that is carried out.

    Args:
        proxy: What the worker speaks through.
    """

    def __init__(self, proxy: Proxy) -> None:
        self.count = 0
        self.struck = False
        self._place: Place = (0, Moment.AFTER)
        self._journal = Path()
        self._target: list[bytes] | None = None
        proxy.before, proxy.after = self._before, self._after

    def aim(self, place: Place, journal: Path) -> None:
        """Count anew, and kill there."""
        self.count, self.struck, self._target = 0, False, None
        self._place, self._journal = place, journal

    async def _before(self, words: list[bytes]) -> None:
        if not _leaves(words):
            return
        self.count += 1
        if self.count == self._place[0]:
            self._target = words
            if self._place[1] is Moment.BEFORE:
                self._strike(words)

    async def _after(self, words: list[bytes]) -> None:
        if words is self._target and self._place[1] is Moment.AFTER:
            self._strike(words)

    def _strike(self, words: list[bytes]) -> None:
        named = {word.decode(errors="replace") for word in words}
        lines = [line.split("\t") for line in whole_lines(self._journal)]
        # The one that it wrote down last: a job may be in its second process by now.
        pids = [int(what) for event, job, what in lines if event == "pid" and job in named]
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pids[-1], signal.SIGKILL)
                self.struck = True


async def faults_of(queue: Queue, server: ServerProcess, journal: Path) -> list[str]:
    """Run the jobs to their end, and return what is wrong then."""
    calls = [queue.bind("stepping", str(journal), id=name) for name in JOBS]
    wrong: list[str] = []
    before = next((event.id for event in await queue.recent_events(1)), None)
    for job in await queue.enqueue_many(calls):
        result = await job.result(60)
        if result != ["SHARED", "ONE", "TWO", "THREE"]:
            wrong.append(f"the result of {job.id} is {result}")
        events = [event async for event in job.events(before)]
        wrong += faults_of_events(journal, job.id, events, "process")
    await queue.states(JOBS)
    with sync_client(server.url) as client:
        copy = snapshot(client, "test", NAME)
    assert copy is not None
    return [*wrong, *faults(copy), *faults_of_journal(journal)]


@pytest.mark.behaviour("F2", "T63")
@sizes_over_servers(ci={"step": 7}, whole={"step": 1})
async def test_the_process_of_a_job_may_be_killed_whenever_it_leaves_something(
    start_server: Callable[..., ServerProcess], tmp_path: Path, size: Mapping[str, Any]
) -> None:
    servers = [start_server(kind=name) for name in size["servers"]]
    found: dict[Place, tuple[bool, list[str]]] = {}
    todo: list[Place] = []
    for share, server in enumerate(servers):
        async with Proxy(server.socket) as proxy, build(proxy.url, "process") as queue:
            hunter = Hunter(proxy)
            async with Worker(queue, concurrency=len(JOBS), processes=2):
                if not todo:
                    hunter.aim((0, Moment.AFTER), tmp_path / "whole")
                    assert await faults_of(queue, server, tmp_path / "whole") == []
                    todo = places(hunter.count, size["step"])
                    assert len(todo) > 3
                for place in shares(todo, len(servers))[share]:
                    folder = tmp_path / f"{place[0]}-{place[1].name}"
                    found[place] = await die(queue, server, hunter, place, folder)
    assert {place: wrong for place, (_, wrong) in found.items() if wrong} == {}
    struck = sum(struck for struck, _ in found.values())
    assert struck > 0.5 * len(todo)
    note = f"processes of jobs, killed at {len(todo)} calls for them"
    figures.record("F2", n=struck, tier=size["tier"], note=note)


async def die(
    queue: Queue, server: ServerProcess, hunter: Hunter, place: Place, folder: Path
) -> tuple[bool, list[str]]:
    """Let jobs run anew, one of them killed there; whether it was, and what is wrong."""
    for name in JOBS:
        # Nothing ran on this server before.
        with contextlib.suppress(JobNotFound):
            await queue.job(name).remove()
    keys = queue.store.keys
    await raw(queue, "DEL", keys["once"], keys["once_ends"])
    folder.mkdir()
    hunter.aim(place, folder / "journal")
    with queue.record_history(folder / "history") as recorder:
        wrong = await asyncio.wait_for(faults_of(queue, server, folder / "journal"), 60)
        recorder.mark("drained")
    return hunter.struck, wrong + [
        str(each) for each in check_history(folder / "history").violations
    ]
