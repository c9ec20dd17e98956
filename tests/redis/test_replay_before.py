"""What `replay_all(before=)` costs: those that ended later are hardly looked at."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from aiojobs_redis import JobState, Queue
from aiojobs_redis._redis.inspector import STATE_LETTERS
from tests.support.raw import raw

# Jobs that have ended, as a script makes them in no time.
FILL = """
for n = 1, tonumber(ARGV[1]) do
    local id = ARGV[2] .. n
    redis.call('HSET', KEYS[1], id, ARGV[4])
    redis.call('HSET', KEYS[2], id, ARGV[3] .. ',,,0,1,0,0,,,' .. ARGV[5] .. ARGV[6])
    redis.call('ZADD', KEYS[3], ARGV[5], id)
end
"""
MINUTE = timedelta(minutes=1)


async def end(queue: Queue, state: JobState, ended: datetime, many: int) -> None:
    """Put so many jobs into a state, which have ended then."""
    keys = queue.store.keys
    template = await queue.enqueue("some")
    blob = await raw(queue, "HGET", keys["jobs"], template.id)
    await template.remove()
    header = blob.partition(b"\n")[0]
    names = keys["jobs"], keys["runs"], keys[state.value]
    ms = int(ended.timestamp() * 1000)
    args = many, f"{ms}-", STATE_LETTERS[state], blob, ms, header
    await raw(queue, "EVAL", FILL, len(names), *names, *args)


async def calls_of(queue: Queue, state: JobState, before: datetime) -> int:
    """Return how many scripts it takes to replay one job of a task."""
    await queue.replay_all("some", state=state, before=before - timedelta(days=1))
    await raw(queue, "CONFIG", "RESETSTAT")
    assert await queue.replay_all("some", state=state, before=before) == 1
    stats = (await raw(queue, "INFO", "commandstats")).decode()
    # The first one loads what it needs.
    loads = re.findall(r"cmdstat_(?:script\|load|eval):calls=(\d+)", stats)
    (calls,) = re.findall(r"cmdstat_evalsha:calls=(\d+)", stats)
    return int(calls) - sum(map(int, loads))


@pytest.mark.corrupts
@pytest.mark.parametrize("state", [JobState.DEAD, JobState.CANCELLED, JobState.COMPLETED])
async def test_those_that_ended_later_are_not_read(real_queue: Queue, state: JobState) -> None:
    now = datetime.now(UTC)
    calls: list[int] = []
    later = 0
    for more in (10, 740):
        await end(real_queue, state, now - 3 * MINUTE, 1)
        await end(real_queue, state, now - MINUTE - timedelta(milliseconds=later), more)
        later += more
        calls.append(await calls_of(real_queue, state, now - 2 * MINUTE))

    # Its id is looked for, its record read for the name of the task, and it is replayed. Only what
    # has completed stands by when it ended; those of a retention of their own, elsewhere, by that.
    few = 4 if state is JobState.COMPLETED else 3
    assert calls == [few, few if state is JobState.COMPLETED else few + 3]


@pytest.mark.corrupts
async def test_no_page_is_read_behind_the_last_job_that_is_wanted(real_queue: Queue) -> None:
    await end(real_queue, JobState.DEAD, datetime.now(UTC) - MINUTE, 600)
    await real_queue.replay_all(limit=1)
    await raw(real_queue, "CONFIG", "RESETSTAT")

    assert await real_queue.replay_all(limit=250) == 250

    stats = (await raw(real_queue, "INFO", "commandstats")).decode()
    assert re.findall(r"cmdstat_evalsha:calls=(\d+)", stats) == ["2"]
