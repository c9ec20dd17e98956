"""The power fails at any byte of the append-only file: what is left is a consistent queue."""

from __future__ import annotations

import asyncio
import logging
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import figures
from tests.support.aftermath import Aftermath, faults_of_a_drained
from tests.support.doomed_app import DEAD, ORPHAN, build, live, prepare
from tests.support.invariants import faults
from tests.support.servers import ServerProcess
from tests.support.snapshots import Snapshot
from tests.support.tiers import sizes

LANES = 4
PERSISTENT = ("--appendonly", "yes", "--appendfsync", "always")


def log_of(folder: Path) -> Path:
    """Return the growing part of a server's append-only file."""
    (found,) = (folder / "appendonlydir").glob("*.incr.aof")
    return found


@pytest.mark.behaviour("F13")
@sizes(ci={"cuts": 12}, whole={"cuts": 300})
async def test_every_prefix_of_the_append_only_file_is_a_consistent_queue(
    start_server: Callable[..., ServerProcess],
    tmp_path: Path,
    size: Mapping[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = start_server(*PERSISTENT)
    written: dict[str, int] = {}

    def hear(ids: Sequence[str]) -> None:
        written.update(dict.fromkeys(ids, log_of(server.folder).stat().st_size))

    journal = tmp_path / "journal"
    whole = Aftermath(server.url)
    queue = build(server.url, journal)
    await prepare(whole.scripts, queue)
    hear([*DEAD, ORPHAN])
    await queue.close()
    await live(server.url, str(journal), hear=hear)
    await whole.close()
    server.kill9()
    length = log_of(server.folder).stat().st_size
    cuts = sorted(random.Random(13).sample(range(1, length + 1), size["cuts"]))

    wrong: dict[int, list[str]] = {}
    there = 0
    todo = list(cuts)

    async def work() -> None:
        nonlocal there
        while todo:
            cut = todo.pop()
            folder = tmp_path / f"cut-{cut}"
            shutil.copytree(server.folder / "appendonlydir", folder / "appendonlydir")
            with log_of(folder).open("r+b") as log:
                log.truncate(cut)
            again = start_server(*PERSISTENT, folder=folder)
            needed = {id for id, end in written.items() if end <= cut}
            there += len(needed)
            found = await go_on(again, folder / "journal", needed)
            if found:
                wrong[cut] = found
            again.remove()
            shutil.rmtree(folder)

    await asyncio.gather(*(work() for _ in range(LANES)))

    assert wrong == {}
    assert 0 < there < len(cuts) * len(written), "some cuts came before acknowledged jobs"
    figures.record("F13", n=len(cuts), tier=size["tier"], note=f"{length} bytes of file")


async def go_on(server: ServerProcess, journal: Path, needed: set[str]) -> list[str]:
    """Return what is wrong with a queue after a cut, and after it was drained."""
    journal.touch()
    left = Aftermath(server.url)
    before = left.look()
    wrong = faults(before) + list(miscounts(before, await counters(left)))
    await left.let_time_pass()
    book = await left.drain(journal)
    after = left.look()
    wrong += faults(after) + list(miscounts(after, await counters(left)))
    wrong += faults_of_a_drained(after, book, needed)
    await left.close()
    return wrong


async def counters(left: Aftermath) -> dict[str, int]:
    """Return the statistics by what they count, and how many jobs were removed."""
    events = await left.raw.xrange(left.scripts.key("events"))
    counted = {"removed": sum(field == b"removed" for _, entry in events for field in entry)}
    for field, number in (await left.raw.hgetall(left.scripts.key("stats"))).items():
        what = field.decode().rpartition(",")[2]
        if not number.isdigit():
            continue  # the names of the tasks of that minute
        counted[what] = counted.get(what, 0) + int(number)
    return counted


def miscounts(copy: Snapshot, counted: Mapping[str, int]) -> Iterator[str]:
    """No counter differs from a recount; nothing completed is run again, one job is removed."""
    recount = {
        "enqueued": len(copy.hashes["jobs"]) + counted["removed"],
        "completed": len(copy.sets["completed"]) + len(copy.sets["kept"]),
    }
    for what, number in recount.items():
        if counted.get(what, 0) != number:
            yield f"{counted.get(what, 0)} jobs are said to be {what}, and {number} are"
