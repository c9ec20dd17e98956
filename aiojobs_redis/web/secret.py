"""Headers whose values no page and no answer shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

__all__ = ["HIDDEN", "SECRET_HEADERS", "hide", "shown_headers"]

SECRET_HEADERS = ("auth", "cookie", "api-key", "api_key", "apikey", "password", "secret", "token")
"""Parts of names, in lower case: a header whose name has one of them is hidden."""

HIDDEN = "[hidden]"


def hide(headers: Mapping[str, str], secret: Iterable[str]) -> dict[str, str]:
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


def shown_headers(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a job as they may be shown by this dashboard."""
    return hide(headers, cast("tuple[str, ...]", request.app.state.secret_headers))
