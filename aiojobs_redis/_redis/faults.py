"""What an error of Redis or of the way to it means for the caller.

One table from error to `Fault`, so that a producer, a worker and the heartbeat never disagree on
whether an operation is worth repeating.
"""

from __future__ import annotations

import enum
from typing import Final

from redis import exceptions as redis_errors

from aiojobs_redis.errors import AiojobsError, QueueFull, QueueUnavailable, RedisIncompatible

__all__ = ["CODES", "FAULTS", "Fault", "classify", "translate"]

FAULTS: Final = (redis_errors.RedisError, OSError, redis_errors.RedisClusterException)
"""What a call of a link raises. The last is no RedisError: no node of a Cluster answered."""


class Fault(enum.Enum):
    """What to do about an error."""

    RETRY = "retry"
    """Passes by itself; the operation may or may not have been applied."""
    FATAL = "fatal"
    """Stays until somebody mends credentials or rights."""
    FULL = "full"
    """Redis is out of memory; nothing was written."""
    FAIL = "fail"
    """The command itself was refused; repeating it changes nothing."""


CODES: Final = {
    "ASK": Fault.RETRY,
    "BUSY": Fault.RETRY,
    "CLUSTERDOWN": Fault.RETRY,
    "LOADING": Fault.RETRY,
    "MASTERDOWN": Fault.RETRY,
    "MISCONF": Fault.RETRY,
    "MOVED": Fault.RETRY,
    "NOREPLICAS": Fault.RETRY,
    "READONLY": Fault.RETRY,
    "TRYAGAIN": Fault.RETRY,
    "REDIRECT": Fault.RETRY,
    "UNBLOCKED": Fault.RETRY,
    "UNKILLABLE": Fault.RETRY,
    "DENIED": Fault.FATAL,
    "NOAUTH": Fault.FATAL,
    "NOPERM": Fault.FATAL,
    "WRONGPASS": Fault.FATAL,
    "OOM": Fault.FULL,
    "CROSSSLOT": Fault.FAIL,
    "EXECABORT": Fault.FAIL,
    "NOSCRIPT": Fault.FAIL,
    "WRONGTYPE": Fault.FAIL,
}
"""What the first word of an error reply means; `docs/errors.md` has the same table.

MISCONF and NOREPLICAS are refusals to write that end when the disk or the replicas are back; MOVED
and ASK reach us only when a slot moved once too often. NOSCRIPT is what is left when the script was
loaded and is gone again.
"""

# redis-py takes the code off the replies it has a class for. The first match wins:
# AuthenticationError is a ConnectionError, and MovedError a ResponseError.
_BY_TYPE: Final[tuple[tuple[type[BaseException], Fault], ...]] = (
    (redis_errors.AuthenticationError, Fault.FATAL),
    (redis_errors.AuthenticationWrongNumberOfArgsError, Fault.FATAL),
    (redis_errors.AuthorizationError, Fault.FATAL),
    (redis_errors.NoPermissionError, Fault.FATAL),
    (redis_errors.OutOfMemoryError, Fault.FULL),
    (redis_errors.ReadOnlyError, Fault.RETRY),
    (redis_errors.AskError, Fault.RETRY),
    (redis_errors.TryAgainError, Fault.RETRY),
    (redis_errors.ClusterDownError, Fault.RETRY),
    (redis_errors.ClusterCrossSlotError, Fault.FAIL),
    (redis_errors.NoScriptError, Fault.FAIL),
    (redis_errors.ExecAbortError, Fault.FAIL),
    (redis_errors.ClusterError, Fault.RETRY),
    (redis_errors.SlotNotCoveredError, Fault.RETRY),
    (redis_errors.ConnectionError, Fault.RETRY),
    (redis_errors.TimeoutError, Fault.RETRY),
    (redis_errors.InvalidResponse, Fault.RETRY),
    (QueueUnavailable, Fault.RETRY),
    (TimeoutError, Fault.RETRY),
    (OSError, Fault.RETRY),
    (EOFError, Fault.RETRY),
)

_NO_CLUSTER_NODE: Final = "cannot be connected"
# redis-py has a class for it, but not for the words that a node of a Cluster uses.
_TOO_MANY_CLIENTS: Final = "max number of clients"
_ECHO: Final = ", with args beginning with"
_LONGEST_REASON: Final = 300


def classify(error: BaseException) -> Fault:
    """Say what an error raised by a link means.

    Args:
        error: What a call of a link raised.

    Returns:
        The fault; `Fault.FAIL` for what the table does not know.
    """
    if isinstance(error, QueueUnavailable) and isinstance(error.__cause__, FAULTS):
        # Made by `translate`: rights that are missing are no outage.
        return classify(error.__cause__)
    # Over a unix socket redis-py wraps what it met in the handshake.
    if isinstance(error.__cause__, redis_errors.AuthenticationError):
        return Fault.FATAL
    for kind, fault in _BY_TYPE:
        if isinstance(error, kind):
            return fault
    text = str(error)
    if isinstance(error, redis_errors.RedisClusterException) and _NO_CLUSTER_NODE in text:
        return Fault.RETRY
    if text.startswith(_TOO_MANY_CLIENTS):
        return Fault.RETRY
    code, _, _ = text.partition(" ")
    return CODES.get(code, Fault.FAIL)


def translate(error: BaseException, server: str, keys: str = "") -> AiojobsError:
    """Turn an error raised by a link into one of the package's own.

    Args:
        error: What a call of a link raised.
        server: Name of the server for the message, free of secrets: `Link.server`.
        keys: How the keys of the queue begin, to say which rights it needs.

    Returns:
        The error to raise, with the server, the reason and the next step in its message.
    """
    if isinstance(error, AiojobsError):
        return error
    # A server that renamed a command echoes its arguments, and those of AUTH are secrets.
    reason = (str(error).partition(_ECHO)[0] or type(error).__name__)[:_LONGEST_REASON].rstrip(".")
    match classify(error):
        case Fault.RETRY:
            return QueueUnavailable(
                f"Redis at {server} is not available: {reason}. "
                "Check that it runs and can be reached from here, then repeat the call."
            )
        case Fault.FATAL:
            rights = isinstance(error, redis_errors.NoPermissionError) and keys
            needs = f" It needs ~{keys}* &{keys}* and the commands of docs/redis.md." * bool(rights)
            return QueueUnavailable(
                f"Redis at {server} refused this client: {reason}. "
                f"Check the user, the password and the ACL rules of that user.{needs}"
            )
        case Fault.FULL:
            return QueueFull(
                f"Redis at {server} is out of memory, nothing was written: {reason}. "
                "Raise 'maxmemory', or remove finished and dead jobs."
            )
        case Fault.FAIL if "unknown command" in reason.lower():
            return RedisIncompatible(
                f"Redis at {server} lacks a command that the queue needs: {reason}. "
                "Use Redis 7.0 or Valkey 7.2, or newer."
            )
        case Fault.FAIL:
            return AiojobsError(f"Redis at {server} refused a command: {reason}.")
