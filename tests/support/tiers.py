"""One fault test in three sizes: a small one in CI, the whole one of its row, and a soak.

The whole one runs with ``poe faults``, the soak with ``poe soak``; both are left out by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.servers import wanted_servers

__all__ = ["SLACK", "TIERS", "sizes", "sizes_over_servers"]

_MARKS = {"ci": [], "whole": [pytest.mark.tier2], "soak": [pytest.mark.tier3]}
TIERS = tuple(_MARKS)
SLACK = {"ci": 2.0, "whole": 0.5, "soak": 0.5}
"""Seconds by which the machine itself may be late: in CI other tests run on it at the same time."""
_SECONDS = {"ci": 120, "whole": 900, "soak": 7200}


def sizes(**by_tier: Mapping[str, Any]) -> pytest.MarkDecorator:
    """Return what gives a test its ``size``, a mapping that also has its ``tier`` and ``slack``.

    Args:
        by_tier: The sizes for ``ci``, ``whole`` and ``soak``, where there is one.
    """
    return pytest.mark.parametrize("size", [_param(tier, size) for tier, size in by_tier.items()])


def sizes_over_servers(
    *, ci: Mapping[str, Any], whole: Mapping[str, Any], apart: bool = False
) -> pytest.MarkDecorator:
    """Return what gives a test its ``size``, which also names the ``servers`` to run on.

    In CI they are all kinds at once, among which the test divides what it does; the whole one runs
    on each by itself.

    Args:
        ci: The size in CI, over all servers together.
        whole: The size of the row, on each server.
        apart: Run on each server by itself in CI too.
    """
    names = wanted_servers()
    together = [(name,) for name in names] if apart else [tuple(names)]
    params = [_param("ci", {**ci, "servers": some}, *some * apart) for some in together]
    params += [_param("whole", {**whole, "servers": (name,)}, name) for name in names]
    return pytest.mark.parametrize("size", params)


def _param(tier: str, size: Mapping[str, Any], *names: str) -> Any:
    return pytest.param(
        {"tier": tier, "slack": SLACK[tier], **size},
        id="-".join([tier, *names]),
        marks=[*_MARKS[tier], pytest.mark.timeout(_SECONDS[tier])],
    )
