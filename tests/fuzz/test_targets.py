"""Every decoder and parser takes any bytes for some seconds; `poe fuzz` does it for longer."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, Target

pytestmark = pytest.mark.requirement("S22")


@st.composite
def inputs(draw: Any, target: Target) -> bytes:
    """Draw noise, or a seed with some of it replaced, repeated or cut."""
    if draw(st.booleans()):
        return bytes(draw(st.binary(max_size=200)))
    data: bytes = draw(st.sampled_from(target.seeds))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        size = draw(st.integers(0, 8))
        data = data[:at] + draw(st.binary(max_size=8)) + data[at + size :]
    return data


@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_end_in_a_value_or_in_an_error_that_is_allowed(name: str) -> None:
    target = TARGETS[name]
    for seed in target.seeds:
        with contextlib.suppress(*target.allowed):
            target.run(seed)

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(data=inputs(target))
    def run(data: bytes) -> None:
        with contextlib.suppress(*target.allowed):
            target.run(data)

    run()
