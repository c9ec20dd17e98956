"""Servers that allow what only tests do: DEBUG."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
