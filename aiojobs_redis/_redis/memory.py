"""The in-memory server of `memory://`: fakeredis with Lua, one a process and name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiojobs_redis._redis.dialer import Dialer
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakeredis import FakeServer

__all__ = ["follow_clock", "forget_memory_server", "memory_endpoint", "memory_server"]

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
        raise _absent(error) from None
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


def follow_clock(now_ms: Callable[[], int]) -> Callable[[], None]:
    """Let all in-memory servers of the process go by another clock, and return what ends that.

    Args:
        now_ms: Returns its time, epoch ms.

    Raises:
        ConfigInvalid: fakeredis is not installed.
    """
    try:
        from fakeredis.aioredis import AsyncFakeSocket
    except ImportError as error:
        raise _absent(error) from None

    # Scripts ask for the time with this command alone, and nothing of theirs expires by a TTL. The
    # sockets of asyncio and of threads have it from the same class.
    owner = next(kind for kind in AsyncFakeSocket.__mro__ if "time" in vars(kind))
    own = vars(owner)["time"]

    def told(_: object) -> list[bytes]:
        seconds, ms = divmod(now_ms(), 1000)
        return [b"%d" % seconds, b"%d" % (ms * 1000)]

    type.__setattr__(owner, "time", told)
    return lambda: type.__setattr__(owner, "time", own)


def _absent(error: ImportError) -> ConfigInvalid:
    return ConfigInvalid(
        f"memory:// needs the module {error.name!r}, which is not installed: "
        "pip install 'aiojobs-redis[testing]'"
    )
