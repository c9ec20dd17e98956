"""Servers that allow what only tests do, DEBUG, and seeds that mean the same in every run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from tests.conftest import _REAL
from tests.support.servers import ServerProcess, find_servers


@pytest.fixture(params=_REAL)
def debug_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a server of this test's own, of each kind in turn."""
    binary = find_servers()[request.param]
    server = ServerProcess(binary, tmp_path / "server", "--enable-debug-command", "yes")
    server.start()
    yield server.url
    server.remove()


@pytest.fixture(autouse=True)
def seeds_alone_decide(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Draw nothing from the constants in the code: which modules are loaded depends on the run."""
    monkeypatch.setattr(providers, "_get_local_constants", Constants)
    providers.CONSTANTS_CACHE.cache.clear()
    yield
    providers.CONSTANTS_CACHE.cache.clear()
