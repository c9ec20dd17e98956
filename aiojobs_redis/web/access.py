"""Who sends a request, and what they may do: by token, by session, or by a user's function."""

from __future__ import annotations

import hashlib
import hmac
import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.web.rights import Rights, read_rights
from aiojobs_redis.web.session import COOKIE, Sessions
from aiojobs_redis.web.state import Caller, address_of
from aiojobs_redis.web.throttle import Throttle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from aiojobs_redis.web.rights import Granted

    AccessFunction: TypeAlias = Callable[[Request], Granted | Awaitable[Granted]]

__all__ = ["Access", "AccessFunction"]

_SHORTEST_TOKEN = 16
_STARTED_SO = "this dashboard was started to show, not to change"
_NOT_ASKED = (
    "this dashboard asks nobody who they are, so it only shows: give it a token, or start it with "
    "--allow-actions, which is Dashboard(queue, read_only=False)"
)


class Access:
    """Decides about each request.

    Args:
        function: The user's own; see `Dashboard`.
        token: What gives all rights.
        read_only: Whether nobody may do more than look; None where that is so if nobody is asked
            who they are.

    Attributes:
        open: Whether it asks nobody who they are.
        sessions: Of those who have logged in with the token; None where there is none.
        throttle: Counts wrong tries.

    Raises:
        ConfigInvalid: The token is too short, or the function is none.
    """

    def __init__(
        self, function: AccessFunction | None, token: str | None, *, read_only: bool | None
    ) -> None:
        if function is not None and not callable(function):
            raise ConfigInvalid(f"access must be a function of the request, got {function!r:.80}")
        if token is not None and (not isinstance(token, str) or len(token) < _SHORTEST_TOKEN):
            raise ConfigInvalid(
                f"token must be a text of {_SHORTEST_TOKEN} characters at least: make one with "
                "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        self._function = function
        self._digest = None if token is None else _digest(token)
        self.open: bool = function is None and token is None
        self._read_only = self.open if read_only is None else read_only
        self._why = _NOT_ASKED if self.open and read_only is None else _STARTED_SO
        self.sessions: Sessions | None = None if token is None else Sessions(token)
        self.throttle: Throttle = Throttle()

    def is_token(self, given: str) -> bool:
        """Whether that is the token; how long it takes says nothing about it."""
        return self._digest is not None and hmac.compare_digest(self._digest, _digest(given))

    async def caller(self, request: Request) -> Caller | None:
        """Return who sends a request; None for nobody who may look.

        Raises:
            ConfigInvalid: The user's function returned what it may not.
        """
        if self.open:
            return self._caller(request, Rights.FULL, "local user")
        bearer = _bearer(request)
        if bearer is not None and self.is_token(bearer):
            return self._caller(request, Rights.FULL, "token")
        if self.sessions is not None and self.sessions.holds(request.cookies.get(COOKIE, "")):
            return self._caller(request, Rights.FULL, "session", session=True)
        if self._function is None:
            return None
        granted: Any = self._function(request)
        if inspect.isawaitable(granted):
            granted = await granted
        rights = read_rights(granted)
        return None if rights is None else self._caller(request, rights, "caller")

    def is_wrong_try(self, request: Request) -> bool:
        """Whether a request that nobody was found for came with a token."""
        return self._digest is not None and _bearer(request) is not None

    def _caller(
        self, request: Request, rights: Rights, what: str, *, session: bool = False
    ) -> Caller:
        who = rights.who or f"{what} at {address_of(request) or 'a local socket'}"
        if self._read_only:
            return Caller(who, Rights.READ_ONLY, session=session, why=self._why)
        return Caller(who, rights, session=session)


def _bearer(request: Request) -> str | None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" else None


def _digest(token: str) -> bytes:
    # Of one length whatever is given, and any Unicode can be compared.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
