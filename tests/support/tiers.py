"""One fault test in three sizes: a small one in CI, the whole one of its row, and a soak.

The whole one runs with ``poe faults``, the soak with ``poe soak``; both are left out by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

__all__ = ["SLACK", "TIERS", "sizes"]

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
    return pytest.mark.parametrize(
        "size",
        [
            pytest.param(
                {"tier": tier, "slack": SLACK[tier], **size},
                id=tier,
                marks=[*_MARKS[tier], pytest.mark.timeout(_SECONDS[tier])],
            )
            for tier, size in by_tier.items()
        ],
    )
