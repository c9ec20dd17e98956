"""Headers whose values this dashboard does not show."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aiojobs_redis.secret_headers import hide

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

__all__ = ["shown_headers"]


def shown_headers(request: Request, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a job as they may be shown by this dashboard."""
    return hide(headers, cast("tuple[str, ...]", request.app.state.secret_headers))
