"""Where a dashboard may listen: without any authentication only where nobody else gets to."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from aiojobs_redis.web.app import Dashboard

__all__ = ["check_bind", "is_loopback"]


def is_loopback(host: str) -> bool:
    """Whether a host, by name or address, is this machine and reached from it alone."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def check_bind(dashboard: Dashboard, host: str) -> None:
    """Return if a dashboard may listen on that host.

    Args:
        dashboard: The dashboard.
        host: Name or address; empty for all of them.

    Raises:
        ConfigInvalid: Others could reach it, and it has neither a token nor an access function.
    """
    if dashboard.guarded or is_loopback(host):
        return
    raise ConfigInvalid(
        f"the dashboard would listen on {host or 'every address'!r} without authentication, open "
        "to whoever reaches that address: give it a token or access=, or listen on 127.0.0.1"
    )
