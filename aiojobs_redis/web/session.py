"""Sessions of a browser: a cookie that the token has signed, so no process has to remember it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["COOKIE", "Sessions"]

COOKIE = "aiojobs_redis_session"
_SECONDS = 12 * 3600


class Sessions:
    """Makes and checks the cookies of one token: another token ends all sessions.

    Args:
        token: The token.
        clock: Returns the time, in seconds since 1970.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.time) -> None:
        self._key = hashlib.sha256(b"aiojobs-redis session\0" + token.encode()).digest()
        self._clock = clock

    def new(self) -> str:
        """Return the value of the cookie of a new session, which lasts for 12 hours."""
        text = f"{int(self._clock()) + _SECONDS}.{secrets.token_urlsafe(12)}"
        return f"{text}.{self._sign(text)}"

    def holds(self, value: str) -> bool:
        """Whether a cookie is one of these, and its session has not ended."""
        text, _, signature = value.rpartition(".")
        signed = hmac.compare_digest(self._sign(text).encode(), signature.encode())
        end = text.partition(".")[0]
        return signed and end.isdecimal() and int(end) > self._clock()

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


def set_cookie(response: Response, request: Request, value: str) -> None:
    """Give a browser the cookie of a session; an empty value takes it away."""
    response.set_cookie(
        COOKIE,
        value,
        max_age=_SECONDS if value else 0,
        path=request.scope.get("root_path", "") or "/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )
