"""What the handlers of pages and API reach through a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aiojobs_redis.errors import AiojobsError, ConfigInvalid
from aiojobs_redis.queue import Queue
from aiojobs_redis.web.rights import Forbidden

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from starlette.requests import Request

    from aiojobs_redis.web.rights import Rights

__all__ = [
    "Caller",
    "QueueMissing",
    "QueueNotFound",
    "ScheduleNotFound",
    "address_of",
    "by_name",
    "caller_of",
    "queue_of",
    "queues_of",
]


class QueueNotFound(AiojobsError):
    """The dashboard shows no queue of that name."""


class QueueMissing(AiojobsError):
    """There are several queues, and none was named."""

    field = "queue"


class ScheduleNotFound(AiojobsError):
    """The queue has no schedule of that id."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request.

    Attributes:
        who: Their name in the record of actions.
        rights: What they may do.
        session: Whether they came with the cookie of a login, and can log out.
        why: Why nobody may do more than look here; empty where that is not so.
    """

    who: str
    rights: Rights
    session: bool = False
    why: str = ""

    def require(self, action: str) -> None:
        """Return if they may do that.

        Raises:
            Forbidden: They may not.
        """
        if self.why:
            raise Forbidden(
                f"you may not {action.replace('_', ' ')} here: {self.why}. Nothing was changed."
            )
        self.rights.require(action)


def by_name(queues: Queue | Iterable[Queue]) -> dict[str, Queue]:
    """Return queues by their names.

    Raises:
        ConfigInvalid: There are none, something else is among them, or two have one name.
    """
    given = [queues] if isinstance(queues, Queue) else list(queues)
    wrong = [queue for queue in given if not isinstance(queue, Queue)]
    if wrong or not given:
        raise ConfigInvalid(
            f"a dashboard takes a Queue or several, got {wrong[0] if wrong else given!r:.80}"
        )
    found = {queue.name: queue for queue in given}
    if len(found) < len(given):
        raise ConfigInvalid(
            f"two of the queues have one name, in {', '.join(queue.name for queue in given)}: "
            "mount a dashboard for each of them"
        )
    hidden = sorted({".", ".."} & found.keys())
    if hidden:
        raise ConfigInvalid(
            f"a dashboard cannot show a queue named {hidden[0]!r}: every browser takes that out of "
            "a path. Give the queue another name"
        )
    return found


def queues_of(request: Request) -> Mapping[str, Queue]:
    """Return the queues of the dashboard by name, in the order in which they were given."""
    return cast("Mapping[str, Queue]", request.app.state.queues)


def queue_of(request: Request, name: str | None) -> Queue:
    """Return one of the queues; the only one where no name is given.

    Raises:
        QueueMissing: It is not clear which is meant.
        QueueNotFound: There is none of that name.
    """
    queues = queues_of(request)
    names = ", ".join(queues)
    if name is None:
        if len(queues) > 1:
            raise QueueMissing(
                f"queue is missing: the queues are {names}, name one of them. Nothing was changed."
            )
        return next(iter(queues.values()))
    found = queues.get(name)
    if found is None:
        raise QueueNotFound(f"there is no queue {name!r:.80} here; the queues are {names}")
    return found


def caller_of(request: Request) -> Caller:
    """Return who makes the request."""
    return cast("Caller", request.state.caller)


def address_of(request: Request) -> str:
    """Return the address from which a request comes; empty where the server does not say."""
    return request.client.host if request.client else ""
