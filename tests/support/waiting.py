"""Waiting for a condition that has a name, instead of sleeping."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

__all__ = ["wait_for", "wait_until"]

_PERIOD = 0.005
_PATIENCE = 20.0
"""Seconds: long, since the machine may be busy, and no test that passes waits for them."""


async def wait_until(
    predicate: Callable[[], object | Awaitable[object]],
    description: str,
    timeout: float = _PATIENCE,
) -> None:
    """Return as soon as the condition holds.

    Args:
        predicate: The condition, a plain or an async callable.
        description: What is waited for, as the end of "waited in vain for ...".
        timeout: Seconds.

    Raises:
        AssertionError: It did not hold in time.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while True:
        held = predicate()
        if inspect.isawaitable(held):
            held = await held
        if held:
            return
        if loop.time() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {description}")
        await asyncio.sleep(_PERIOD)


def wait_for(condition: Callable[[], object], description: str, timeout: float = _PATIENCE) -> None:
    """Do the same without an event loop, for a condition that runs one of its own.

    Args:
        condition: The condition.
        description: What is waited for, as the end of "waited in vain for ...".
        timeout: Seconds.

    Raises:
        AssertionError: It did not hold in time.
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout:g} s in vain for {description}")
        time.sleep(4 * _PERIOD)
