"""The in-memory server of `memory://`: fakeredis with Lua, one a process and name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiojobs_redis._redis.dialer import Dialer
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from fakeredis import FakeServer

__all__ = ["forget_memory_server", "memory_endpoint", "memory_server"]

_VERSION: Final = (7, 4)

_servers: dict[str, FakeServer] = {}


def memory_endpoint(name: str) -> Dialer:
    """Return the in-memory server of that name.

    Raises:
        ConfigInvalid: fakeredis or its Lua is not installed.
    """
    try:
        import lupa  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from fakeredis.aioredis import FakeAsyncRedisConnection
    except ImportError as error:
        raise ConfigInvalid(
            f"memory:// needs the module {error.name!r}, which is not installed: "
            "pip install 'aiojobs-redis[testing]'"
        ) from None
    options = {"server": memory_server(name)}
    return Dialer(f"memory://{name}", FakeAsyncRedisConnection, options)


def memory_server(name: str) -> FakeServer:
    """Return fakeredis's server of that name; its data live as long as the process."""
    from fakeredis import FakeServer

    server = _servers.get(name)
    if server is None:
        server = _servers[name] = FakeServer(version=_VERSION)
    return server


def forget_memory_server(name: str) -> None:
    """Let go of a server and of its data; the next use of the name begins with an empty one."""
    _servers.pop(name, None)
