"""Servers of their own for tests that kill, fill, rewind and flush them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.servers import ServerProcess, find_servers


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts a Valkey on a unix socket with further options, as often as it is called."""
    started: list[ServerProcess] = []

    def start(*options: str, folder: Path | None = None) -> ServerProcess:
        binary = find_servers()["valkey"]
        place = folder or tmp_path / f"server-{len(started)}"
        started.append(ServerProcess(binary, place, *options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.remove()
