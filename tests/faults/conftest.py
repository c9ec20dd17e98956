"""Servers of their own for tests that kill, fill, rewind and flush them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.servers import ServerProcess, find_servers


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts a server on a unix socket with further options, as often as it is called.

    It is a Valkey unless another kind is named; see `find_servers`.
    """
    started: list[ServerProcess] = []

    def start(*options: str, folder: Path | None = None, kind: str = "valkey") -> ServerProcess:
        binary = find_servers()[kind]
        place = folder or tmp_path / f"server-{len(started)}"
        started.append(ServerProcess(binary, place, *options))
        started[-1].start()
        return started[-1]

    yield start
    for server in started:
        server.remove()
