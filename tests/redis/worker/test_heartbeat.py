"""The thread that renews leases goes on, whatever it meets while it reports a blocked loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

from aiojobs_redis import Queue, Worker

LONG = 10.0


class LocalProxy:
    """As of a web framework: what it stands for is looked up in the context of a request."""

    def __getattribute__(self, name: str) -> NoReturn:
        raise RuntimeError("working outside of request context")


class Reports(logging.Filter):
    """Counts what is logged of a blocked loop, and passes it on or raises."""

    def __init__(self, *, raises: bool) -> None:
        super().__init__()
        self.raises = raises
        self.count = 0
        self.came = threading.Event()

    def filter(self, record: logging.LogRecord) -> bool:
        if "has been blocked" in record.msg:
            self.count += 1
            self.came.set()
        if self.raises:
            raise ZeroDivisionError("of a filter of the application")
        return True


@pytest.fixture
def reports(request: pytest.FixtureRequest) -> Callable[..., Reports]:
    def add(*, raises: bool) -> Reports:
        reports = Reports(raises=raises)
        logger = logging.getLogger("aiojobs_redis.worker")
        logger.addFilter(reports)
        request.addfinalizer(lambda: logger.removeFilter(reports))
        return reports

    return add


def heartbeats() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "aiojobs-heartbeat"]


@pytest.mark.requirement("D8")
@pytest.mark.parametrize("raises", [False, True])
async def test_the_report_of_a_blocked_loop_costs_no_renewal(
    queue: Queue, reports: Callable[..., Reports], raises: bool
) -> None:
    seen = reports(raises=raises)

    @queue.task(attempts=1)
    async def block() -> bool:
        run: Any = LocalProxy()
        seen.came.clear()
        # Until the report: there is nothing else that a blocked loop could wait for.
        return seen.came.wait(LONG) and run is not None

    async with Worker(queue, grace=0):
        for _ in range(2):
            # The second report shows that the thread has outlived the first one.
            assert await (await block.enqueue()).result(3 * LONG) is True
        assert len(heartbeats()) == 1

    # A busy machine may keep the loop waiting for that long as well.
    assert seen.count >= 2
