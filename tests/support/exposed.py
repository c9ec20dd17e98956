"""The registry of `prometheus_client`, which is one a process, as a test found it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY

__all__ = ["registry_restored"]


@contextmanager
def registry_restored() -> Iterator[None]:
    """Take out of the registry what is registered inside, whatever becomes of it."""
    before = set(REGISTRY._collector_to_names)
    try:
        yield
    finally:
        for collector in set(REGISTRY._collector_to_names) - before:
            REGISTRY.unregister(collector)
