"""The dashboard and the HTTP API: one ASGI application over one queue or many.

It needs the extra ``web``.
"""

from __future__ import annotations

try:
    import starlette as _starlette
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "the dashboard needs Starlette and Jinja2: pip install 'aiojobs-redis[web]'",
        name=_error.name,
    ) from _error

from aiojobs_redis.web.app import Dashboard
from aiojobs_redis.web.binding import check_bind
from aiojobs_redis.web.rights import ACTION_NAMES, Rights

del _starlette

__all__ = ["ACTION_NAMES", "Dashboard", "Rights", "check_bind"]
