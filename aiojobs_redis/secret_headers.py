"""Headers of jobs whose values are shown nowhere, neither on a page nor by a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["HIDDEN", "SECRET_HEADERS", "hide"]

SECRET_HEADERS = ("auth", "cookie", "api-key", "api_key", "apikey", "password", "secret", "token")
"""Parts of names, in lower case: a header whose name has one of them is hidden."""

HIDDEN = "[hidden]"


def hide(headers: Mapping[str, str], secret: Iterable[str] = SECRET_HEADERS) -> dict[str, str]:
    """Return headers with the values of secret ones hidden.

    Args:
        headers: The headers.
        secret: Parts of their names.
    """
    parts = tuple(secret)
    return {
        name: HIDDEN if any(part in name.lower() for part in parts) else value
        for name, value in headers.items()
    }
