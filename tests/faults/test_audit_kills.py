"""Whoever acts through the dashboard is killed at any command: nothing is done without a record."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from tests.support import doomed_auditor
from tests.support.deaths import WHOLE_LIFE, live, places
from tests.support.doomed_auditor import ACTS, build, prepare, was_done
from tests.support.nursery import Nursery
from tests.support.servers import ServerProcess

PREPARED = 1


@pytest.mark.requirement("S19")
async def test_what_was_done_has_a_record_wherever_its_process_died(
    start_server: Callable[..., ServerProcess], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    server = start_server()
    await prepare(f"{server.url}?db={PREPARED}")
    raw: Any = redis.asyncio.Redis.from_url(server.url)
    prepared: Any = redis.asyncio.Redis.from_url(f"{server.url}?db={PREPARED}")
    seen: set[tuple[str, int, bool]] = set()

    async def copy() -> None:
        await raw.flushdb()
        for key in await prepared.keys():
            await prepared.copy(key, key, 0)

    async with Nursery(doomed_auditor.__name__, tmp_path / "log") as nursery:
        for act in ACTS:
            await copy()
            # The first one has to load the scripts.
            await live(server, nursery, WHOLE_LIFE, act)
            await copy()
            point = await live(server, nursery, WHOLE_LIFE, act)
            for place in places(point.count):
                await copy()
                await live(server, nursery, place, act)
                async with build(server.url) as queue:
                    records = await queue.actions()
                    done = await was_done(queue, act)
                asked = [record for record in records if record.outcome is None]
                assert len(asked) <= 1, (act, place)
                assert asked or not done, (act, place)
                assert {(r.who, r.action) for r in records} <= {("ada", act)}, (act, place)
                seen.add((act, len(asked), done))
    await raw.aclose()
    await prepared.aclose()

    # Killed before the record; between it and the action, which was asked for then; and behind it.
    assert seen == {(act, *each) for act in ACTS for each in ((0, False), (1, False), (1, True))}
