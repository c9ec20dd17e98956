"""Whether a request was made by a page of ours, and reached us under a name of ours."""

from __future__ import annotations

import contextlib
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.web.binding import is_loopback

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from starlette.requests import Request

__all__ = ["SAFE_METHODS", "host_fault", "origin_fault", "read_hosts"]

_FOREIGN = frozenset({"cross-site", "same-site"})
_OTHER = "the browser says that it comes from a page of another origin ({:.40})"

_NO_NAME = "hosts takes names such as 'jobs.example.org', got {!r:.80}"

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def read_hosts(hosts: Iterable[str] | None) -> frozenset[str] | None:
    """Return names as requests have them; None for any.

    Raises:
        ConfigInvalid: No request has such a name, so all would be refused.
    """
    return None if hosts is None else frozenset(map(_read_host, hosts))


def _read_host(given: str) -> str:
    if not isinstance(given, str):
        raise ConfigInvalid(_NO_NAME.format(given))
    name = given.strip().lower().rstrip(".")
    with contextlib.suppress(ValueError):
        return f"[{ipaddress.IPv6Address(name.removeprefix('[').removesuffix(']'))}]"
    if "*" in name:
        raise ConfigInvalid(
            f"hosts has no wildcards, got {given!r:.80}: name each host, or none for any name"
        )
    plain = _name(name.rpartition("//")[2].partition("/")[0])
    if not plain:
        raise ConfigInvalid(_NO_NAME.format(given))
    if plain != name:
        raise ConfigInvalid(
            f"hosts takes names without a port or a path, got {given!r:.80}: write {plain!r}"
        )
    return name


def origin_fault(request: Request) -> str | None:
    """Return why a request is refused as one of somebody else's page; None if it is not.

    A browser says so by ``Sec-Fetch-Site``, and one that does not by ``Origin``. What sends neither
    is no browser, so nobody else's page can have made it do that. Following a link is all that a
    page of others may make a browser do.
    """
    site = request.headers.get("sec-fetch-site")
    if request.method in SAFE_METHODS:
        foreign = site in _FOREIGN and request.headers.get("sec-fetch-mode") != "navigate"
        return _OTHER.format(site) if foreign else None
    if site is not None:
        if site == "same-origin":
            return None
        return _OTHER.format(site)
    origin = request.headers.get("origin")
    if origin is None or _netloc(origin) == request.headers.get("host", "").lower():
        return None
    return f"it comes from a page of another origin ({origin:.80})"


def host_fault(request: Request, hosts: Collection[str] | None, *, local: bool) -> str | None:
    """Return why a request has not reached us under a name of ours; None where it has.

    Args:
        request: The request.
        hosts: The names, None for any.
        local: Whether only those of this machine are ours, beside them.
    """
    given = request.headers.get("host", "")
    name = _name(given)
    if hosts is not None and name in hosts:
        return None
    if hosts is None and not local:
        return None
    if local and is_loopback(name):
        return None
    return f"{given!r:.80} is not a name of this dashboard: add it to hosts=, or use one of them"


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _name(host: str) -> str:
    """Return the name of a ``Host`` without its port."""
    host = host.lower().rstrip(".")
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
