"""Calls with arguments missing: a script that ends with an error has written nothing before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis.exceptions

from aiojobs_redis._redis.scripts import SCRIPTS
from tests.lua.test_wrong_types import (
    ARGUMENTS,
    VARIANTS,
    Population,
    everything,
    made_plain,
    populate,
)
from tests.support.scripts import Scripts


@pytest.mark.corrupts
@pytest.mark.behaviour("F19")
@pytest.mark.parametrize("name", sorted(SCRIPTS))
async def test_a_call_that_fails_for_want_of_arguments_writes_nothing(
    scripts: Scripts, name: str
) -> None:
    written = []
    for make in {ARGUMENTS[name], VARIANTS.get(name, ARGUMENTS[name])}:
        args = await fresh(scripts, name, make)
        before = await everything(scripts)
        for length in reversed(range(len(args))):
            failed = ""
            try:
                await scripts.run(name, *args[:length])
            except redis.exceptions.ResponseError as error:
                failed = f"{length} of {len(args)}: {error}"
            if await everything(scripts) != before:
                written += [failed] if failed else []
                # Fewer completions, jobs or names make a call of their own.
                args = await fresh(scripts, name, make)
                before = await everything(scripts)

    assert written == []


async def fresh(
    scripts: Scripts, name: str, make: Callable[[Scripts, Population], list[Any]]
) -> list[Any]:
    """Populate the queue anew, and return the arguments for it."""
    keys = await scripts.raw.keys(f"*{{{scripts.store.queue}}}*")
    if keys:
        await scripts.raw.delete(*keys)
    jobs = await populate(scripts)
    if name == "exchange_plain":
        await made_plain(scripts)
    return make(scripts, jobs)
