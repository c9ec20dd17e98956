"""From a URL to the server that it names.

A URL may hold a password, so no part of one that could not be understood is ever repeated in a
message.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, parse_url

from aiojobs_redis._redis.cluster import ClusterEndpoint
from aiojobs_redis._redis.dialer import Dialer
from aiojobs_redis._redis.options import users_own
from aiojobs_redis._redis.sentinel import Sentinels
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis.asyncio.connection import AbstractConnection

    from aiojobs_redis._redis.dialer import Endpoint

__all__ = ["DEFAULT_URL", "endpoint_of", "resolve_url"]

DEFAULT_URL: Final = "redis://localhost:6379/0"
_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_DOTS: Final = frozenset({".", ".."})


def resolve_url(url: str | None) -> str:
    """Return the URL to use: the argument, else AIOJOBS_REDIS_URL, else REDIS_URL, else local."""
    return url or os.environ.get("AIOJOBS_REDIS_URL") or os.environ.get("REDIS_URL") or DEFAULT_URL


def endpoint_of(url: str) -> Endpoint:
    """Understand a URL; nothing is connected or started.

    Raises:
        ConfigInvalid: The URL cannot be understood, or what its scheme needs is not installed.
    """
    scheme, found, _ = url.partition("://")
    if not found:
        raise ConfigInvalid(
            "the Redis URL has no scheme; write it like "
            f"{DEFAULT_URL}, or with one of {', '.join(_SCHEMES)}"
        )
    make = _SCHEMES.get(scheme.lower())
    if make is None:
        near = difflib.get_close_matches(scheme.lower(), _SCHEMES, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}://?" if near else ""
        raise ConfigInvalid(
            f"the Redis URL has the unknown scheme {scheme[:40]!r}{hint} "
            f"(known: {', '.join(_SCHEMES)})"
        )
    try:
        parts = urlsplit(url)
        if parts.fragment:
            raise _UnreadableError("a '#' in a password must be written %23")
        return make(parts)
    except ConfigInvalid:
        raise
    except ValueError as error:
        raise ConfigInvalid(
            f"the {scheme}:// URL of Redis cannot be understood: {_reason(error)}"
        ) from None
    except TypeError as error:
        # "... got an unexpected keyword argument 'ssl_cert'"
        option = str(error).rpartition("argument ")[2]
        raise ConfigInvalid(
            f"the {scheme}:// URL of Redis has the unknown option {option}; "
            "options are those of redis-py's connections, such as db or ssl_ca_certs"
        ) from None


class _UnreadableError(ValueError):
    """Has a message of ours, without a part of the URL."""


def _reason(error: ValueError) -> str:
    if isinstance(error, _UnreadableError):
        return str(error)
    # Those of urllib and redis-py quote what they failed on.
    return (
        "check host, port, database and options; "
        "special characters in a password must be percent-encoded"
    )


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    """Return the hosts of a URL, which may name several with commas between them."""
    hosts: list[tuple[str, int]] = []
    for part in parts.netloc.rpartition("@")[2].split(","):
        host = urlsplit(f"//{part}")
        hosts.append((unquote(host.hostname or "localhost"), host.port or default_port))
    return hosts


def _options(parts: SplitResult, path: str = "") -> dict[str, Any]:
    """Return credentials, database and query of a URL under redis-py's names."""
    database = path.strip("/")
    if database and not database.isdecimal():
        raise _UnreadableError("what follows the host must be the number of a database, like /0")
    user = parts.netloc.rpartition("@")[0]
    parsed = dict(parse_url(f"redis://{user}@placeholder/{database}?{parts.query}"))
    del parsed["host"]
    return users_own(parsed)


def _single(parts: SplitResult) -> Dialer:
    hosts = _hosts(parts, _PORT)
    if len(hosts) > 1:
        raise _UnreadableError(
            "several hosts need redis+sentinel:// or redis+cluster:// as the scheme"
        )
    [(host, port)] = hosts
    options = _options(parts, parts.path)
    kind: type[AbstractConnection] = SSLConnection if _secure(parts) else Connection
    label = f"{host}:{port}/{options.get('db', 0)}"
    return Dialer(label, kind, {**options, "host": host, "port": port})


def _unix(parts: SplitResult) -> Dialer:
    if not parts.path:
        raise _UnreadableError("a unix:// URL needs the path of the socket, like unix:///run/redis")
    parsed = dict(parse_url(parts.geturl()))
    kind: Any = parsed["connection_class"]
    return Dialer(f"unix://{parts.path}", kind, users_own(parsed))


def _sentinel(parts: SplitResult) -> Dialer:
    service, _, database = parts.path.lstrip("/").partition("/")
    if not service:
        raise _UnreadableError("the name of the master is missing, like //host:26379/mymaster/0")
    own, theirs = _split_sentinel(_options(parts, database))
    kind: type[AbstractConnection] = SSLConnection if _secure(parts) else Connection
    tls = {name: value for name, value in own.items() if name.startswith("ssl_")}
    hosts = _hosts(parts, _SENTINEL_PORT)
    sentinels = [{**tls, **theirs, "host": host, "port": port} for host, port in hosts]
    label = f"{service} at {','.join(f'{host}:{port}' for host, port in hosts)}"
    return Dialer(label, kind, own, locator=Sentinels(unquote(service), kind, sentinels))


def _split_sentinel(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the options of the master from those of the Sentinels, which begin with `sentinel_`."""
    prefix = "sentinel_"
    own = {name: value for name, value in options.items() if not name.startswith(prefix)}
    theirs = {
        name.removeprefix(prefix): value
        for name, value in options.items()
        if name.startswith(prefix)
    }
    return own, theirs


def _cluster(parts: SplitResult) -> ClusterEndpoint:
    if parts.path.strip("/") not in ("", "0"):
        raise _UnreadableError("a Cluster has the database 0 only")
    options = _options(parts)
    if _secure(parts):
        options["ssl"] = True
    hosts = _hosts(parts, _PORT)
    label = f"cluster {','.join(f'{host}:{port}' for host, port in hosts)}"
    return ClusterEndpoint(label, hosts, options)


def _embedded(parts: SplitResult) -> Dialer:
    folder = _folder(parts)
    try:
        from aiojobs_redis._redis.embedded import embedded_endpoint
    except ImportError:
        raise ConfigInvalid(
            "embedded:// needs unix sockets and flock, which this system lacks; run a Redis server "
            "and use redis://"
        ) from None
    return embedded_endpoint(folder)


def _folder(parts: SplitResult) -> Path | None:
    """Return the folder of an embedded server, None for a temporary one.

    A path that begins with a dot is that of the current directory, as it is now: a program that
    changes it later keeps its server.
    """
    path = unquote(parts.path)
    if parts.netloc not in {"", *_DOTS}:
        raise _UnreadableError(
            "write embedded:///./folder for one of the current directory, "
            "embedded:///absolute/folder, or embedded:// alone"
        )
    if parts.query:
        raise _UnreadableError("the embedded server takes no options; write a '?' in a path %3F")
    if not parts.netloc and not path:
        return None
    if parts.netloc:
        path = parts.netloc + path
    elif path.split("/")[1] in _DOTS:
        path = path.lstrip("/")
    folder = Path(path).resolve()
    if folder == Path(folder.anchor):
        raise _UnreadableError("it names no folder; write one, like embedded:///./data")
    return folder


def _memory(parts: SplitResult) -> Dialer:
    from aiojobs_redis._redis.memory import memory_endpoint

    return memory_endpoint(parts.netloc)


def _secure(parts: SplitResult) -> bool:
    return parts.scheme.startswith("rediss")


_SCHEMES: Final[Mapping[str, Callable[[SplitResult], Endpoint]]] = {
    "redis": _single,
    "rediss": _single,
    "unix": _unix,
    "redis+sentinel": _sentinel,
    "rediss+sentinel": _sentinel,
    "redis+cluster": _cluster,
    "rediss+cluster": _cluster,
    "embedded": _embedded,
    "memory": _memory,
}
