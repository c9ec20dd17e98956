"""The suite does not lose one of its kinds of servers without a word."""

from __future__ import annotations

import os
import re
import subprocess

from tests.support.servers import CHOICE, find_servers, wanted_servers

MAJOR = {"valkey": 9, "redis": 7}


def major(name: str) -> int | None:
    """Return the major version that a server program says it has, None of another product."""
    run = subprocess.run(
        [find_servers()[name], "--version"], capture_output=True, text=True, timeout=20, check=True
    )
    found = re.match(rf"{name} server v=(\d+)\.", run.stdout, re.IGNORECASE)
    return None if found is None else int(found[1])


def test_redis_7_and_valkey_9_are_what_the_tests_run_on() -> None:
    found = {name: major(name) for name in wanted_servers()}
    chosen = CHOICE in os.environ or "CI" not in os.environ
    # Elsewhere the tests run on what there is; in CI each of the two is there.
    expected = {name: MAJOR.get(name, found[name]) for name in found} if chosen else MAJOR
    assert found == expected, (
        "install redis-server 7 (Debian: redis-server); without it its half of the tests is gone"
    )
