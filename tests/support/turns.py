"""Tests that share the kinds of servers: each takes the next one, and none runs twice."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from tests.support.servers import wanted_servers

__all__ = ["turns"]


def turns(fixture: str, *more: str) -> Callable[[], pytest.MarkDecorator]:
    """Return what gives each test that it decorates the next kind of server.

    The last one comes first: to Valkey others go that need just one.

    Args:
        fixture: Name of the fixture that is a server, or its URL.
        more: Further kinds, after the real ones.
    """
    kinds = itertools.cycle([*reversed(wanted_servers()), *more])
    return lambda: pytest.mark.parametrize(fixture, [next(kinds)], indirect=True)
