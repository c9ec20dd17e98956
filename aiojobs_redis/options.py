"""The options of a job: checked where they are given, before any I/O, and merged by precedence.

Options travel in two places: what Lua needs stands as letters in the header (`wire_options`),
what the worker needs in the spec (`spec_options`). Options that only make sense beside the code
(predicates, callables, the executor) stay with the task. `stored_options` is the way back.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack
from urllib.parse import unquote

import msgspec

from aiojobs_redis.config import attempts_from_environment
from aiojobs_redis.dependencies import OnFailure, check_dependencies, check_policy
from aiojobs_redis.duration import FOREVER_MS, instant_ms, to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.retry import Exponential, Fixed, Linear, check_backoff
from aiojobs_redis.spec import enqueued_ms, quote_key, whole
from aiojobs_redis.unique import Unique, check_unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta

    from aiojobs_redis.dependencies import Edge, Handle
    from aiojobs_redis.retry import Backoff

__all__ = [
    "LIBRARY_DEFAULTS",
    "JobOptions",
    "OptionFields",
    "defaults_of_queue",
    "option_names",
    "stored_options",
]

LOWEST_PRIORITY, HIGHEST_PRIORITY = -1024, 1023
LONGEST_ID = 256
LARGEST_HEADERS = 16 * 1024


class OptionFields(TypedDict, total=False):
    """Every job option, with the type in which it may be given."""

    delay: float | timedelta
    at: datetime
    priority: int
    id: str
    key: str
    key_priority: int
    lifo: bool
    attempts: int
    backoff: Backoff
    retry_on: type[BaseException] | Iterable[type[BaseException]] | Callable[[BaseException], bool]
    fail_on: type[BaseException] | Iterable[type[BaseException]] | Callable[[BaseException], bool]
    timeout: float | timedelta | None
    lease: float | timedelta
    max_deliveries: int
    max_starts: int
    delivery: Literal["at_least_once", "at_most_once"]
    expires: datetime | float | timedelta
    keep_result: float | timedelta | None
    keep_dead: float | timedelta | None
    keep_cancelled: float | timedelta | None
    unique: bool | str | Unique
    executor: Literal["async", "thread", "process"]
    headers: Mapping[str, str]
    depends_on: Iterable[Handle | str | Edge[Handle] | Edge[str]]
    on_parent_failure: OnFailure


def _whole(option: str, value: Any, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigInvalid(
            f"{option} must be a whole number from {least} to {most}, got {value!r:.80}"
        )
    return value


def _flag(option: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigInvalid(f"{option} must be True or False, got {value!r:.80}")
    return value


def check_id(option: str, value: Any) -> str:
    """Return a job id or key: any text of 1 to 256 bytes in UTF-8.

    Raises:
        ConfigInvalid: Anything else.
    """
    if not isinstance(value, str):
        raise ConfigInvalid(f"{option} must be a str, got {value!r:.80} ({type(value).__name__})")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ConfigInvalid(f"{option} must be valid Unicode, got {value!r:.80}") from None
    if not 1 <= size <= LONGEST_ID:
        raise ConfigInvalid(f"{option} must be 1 to {LONGEST_ID} bytes in UTF-8, got {size} bytes")
    return value


def _one_of(option: str, value: Any, *allowed: str) -> str:
    if value not in allowed:
        raise ConfigInvalid(f"{option} must be one of {', '.join(allowed)}, got {value!r:.80}")
    return str(value)


def _expiry(value: Any) -> int | datetime:
    # A duration is counted by the server's clock, so it stays one until it gets there.
    if isinstance(value, datetime):
        instant_ms("expires", value)
        return value
    return to_ms("expires", value, least=1)


def _retention(option: str, value: Any) -> int:
    return FOREVER_MS if value is None else to_ms(option, value)


def _headers(value: Any) -> dict[str, str]:
    try:
        headers = msgspec.convert(dict(value), dict[str, str])
    except (TypeError, ValueError):
        raise ConfigInvalid(f"headers must map names to texts, got {value!r:.80}") from None
    size = sum(len(name.encode()) + len(text.encode()) for name, text in headers.items())
    if size > LARGEST_HEADERS:
        raise ConfigInvalid(f"headers may hold {LARGEST_HEADERS} bytes in all, got {size}")
    return headers


def _judge(option: str, value: Any) -> Callable[[BaseException], bool]:
    """Return a predicate for exception types or a predicate."""
    if isinstance(value, type) and issubclass(value, BaseException):
        kinds: tuple[type[BaseException], ...] = (value,)
    elif callable(value):
        return value  # type: ignore[no-any-return]
    else:
        try:
            kinds = tuple(value)
        except TypeError:
            kinds = ()
        if not kinds or not all(
            isinstance(k, type) and issubclass(k, BaseException) for k in kinds
        ):
            raise ConfigInvalid(
                f"{option} must be exception types or a predicate, got {value!r:.80}"
            )
    return lambda error: isinstance(error, kinds)


def _refuse_both(values: Mapping[str, Any]) -> None:
    if values.get("lifo") and values.get("key") is not None:
        raise ConfigInvalid(
            f"lifo and key exclude each other, got both, with key {values['key']!r:.80}: keys take "
            "turns in the order of their jobs; give lifo=False to a job that has a key"
        )


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "delay": lambda v: to_ms("delay", v),
    "at": lambda v: instant_ms("at", v),
    "priority": lambda v: _whole("priority", v, LOWEST_PRIORITY, HIGHEST_PRIORITY),
    "id": lambda v: check_id("id", v),
    "key": lambda v: check_id("key", v),
    "key_priority": lambda v: _whole("key_priority", v, 0, HIGHEST_PRIORITY),
    "lifo": lambda v: _flag("lifo", v),
    "attempts": lambda v: _whole("attempts", v, 1, 10_000),
    "backoff": check_backoff,
    "retry_on": lambda v: _judge("retry_on", v),
    "fail_on": lambda v: _judge("fail_on", v),
    "timeout": lambda v: None if v is None else to_ms("timeout", v, least=1),
    "lease": lambda v: to_ms("lease", v, least=500),
    "max_deliveries": lambda v: _whole("max_deliveries", v, 1, 1000),
    "max_starts": lambda v: _whole("max_starts", v, 1, 1_000_000),
    "delivery": lambda v: _one_of("delivery", v, "at_least_once", "at_most_once"),
    "expires": _expiry,
    "keep_result": lambda v: _retention("keep_result", v),
    "keep_dead": lambda v: _retention("keep_dead", v),
    "keep_cancelled": lambda v: _retention("keep_cancelled", v),
    "unique": check_unique,
    "executor": lambda v: _one_of("executor", v, "async", "thread", "process"),
    "headers": _headers,
    "depends_on": lambda v: check_dependencies(v, check_id),
    "on_parent_failure": lambda v: check_policy("on_parent_failure", v),
}
_TASK_ONLY = frozenset({"retry_on", "fail_on", "executor"})
_JOB_ONLY = frozenset({"delay", "at", "id", "depends_on"})
# What the scripts take for granted (include/claim.lua, rest.lua, reclaim.lua).
_LETTERS = {
    "priority": ("p", 0),
    "lease": ("l", 15_000),
    "max_deliveries": ("d", 3),
    "max_starts": ("o", None),
    "keep_result": ("r", 3_600_000),
    "keep_dead": ("k", 2_592_000_000),
    "keep_cancelled": ("c", 3_600_000),
}
# Letters of the time of one job, of its place in a flow, and of what has become of it.
_OF_ONE_JOB = frozenset("ewqfPbsazhnjiO")


def option_names() -> frozenset[str]:
    """Return the names of all job options."""
    return frozenset(_CHECKS)


class JobOptions:
    """Options of a job, of a task, or the defaults of a queue. Immutable; unset ones are absent.

    Args:
        delay: Seconds from now, by the server's clock, until the job is ready.
        at: Instant at which it becomes ready; one in the past means now. Excludes ``delay``.
        priority: -1024 to 1023, higher runs first, 0 by default.
        id: The job's id, 1 to 256 bytes of Unicode; one that is taken adds no job.
        key: Whom or what the job belongs to, such as a tenant; 1 to 256 bytes of Unicode.
        key_priority: 0 to 1023, higher runs first among the jobs of its ``key`` that have the same
            ``priority``; 0 by default. Other keys do not notice.
        lifo: Whether it goes before all that wait in its priority when it becomes ready, instead of
            behind them. A job with a ``key`` cannot: keys take turns.
        attempts: Tries in all, 3 by default.
        backoff: Wait between attempts: `Exponential` (default), `Fixed`, `Linear`, a list of
            seconds, or a callable of attempt, error and job.
        retry_on: Exception types or a predicate: other errors end the job at once.
        fail_on: Exception types or a predicate: such errors end the job at once.
        timeout: Seconds that one attempt may run, 300 by default; None for no limit.
        lease: Seconds of the visibility timeout, 15 by default, renewed while the job runs;
            0.5 at least.
        max_deliveries: Leases that may run out before the job is dead, 3 by default.
        max_starts: Times that it may start, whatever ended it, such as `Snooze`; any by default.
        delivery: ``at_least_once`` (default), or ``at_most_once``: never delivered again.
        expires: Instant, or seconds from the enqueue: not started by then, it ends dead.
        keep_result: Seconds that the completed job is kept, 3600 by default; 0 keeps nothing, None
            keeps it for ever.
        keep_dead: The same for a dead job, 30 days by default.
        keep_cancelled: The same for a cancelled job, 3600 by default.
        unique: Whether a second job like this one is kept out until it has ended: True for the same
            task and arguments, a str for the same key of this task, or a `Unique`.
        executor: ``async``, ``thread`` or ``process``; by default what the function is.
        headers: Texts that travel beside the arguments, 16 KiB in all.
        depends_on: Handles of jobs, or ids of jobs of the same queue, 250 at most: it runs when all
            of them have ended. Each may be in an `Edge`, which says what its failure means.
        on_parent_failure: What becomes of it when one of them ends dead or cancelled: ``fail``
            (default) ends it dead, ``cancel`` cancels it and what depends on it, ``run`` lets it
            run all the same once all have ended, ``run_now`` at once.

    Raises:
        ConfigInvalid: An unknown option, or a value out of range; it names both.
    """

    __slots__ = ("values",)

    def __init__(self, **options: Unpack[OptionFields]) -> None:
        checked: dict[str, Any] = {}
        for name, value in options.items():
            check = _CHECKS.get(name)
            if check is None:
                raise ConfigInvalid(
                    f"there is no job option {name!r}; the options are {', '.join(sorted(_CHECKS))}"
                )
            checked[name] = check(value)
        if "delay" in checked and "at" in checked:
            raise ConfigInvalid("delay and at exclude each other: give one of them")
        _refuse_both(checked)
        self.values: dict[str, Any] = checked

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={value!r}" for name, value in self.values.items())
        return f"JobOptions({inner})"

    def over(self, lower: JobOptions) -> JobOptions:
        """Return these options, completed by those of less precedence.

        Raises:
            ConfigInvalid: Together they have both ``key`` and ``lifo``.
        """
        if not lower.values:
            return self
        merged = JobOptions.__new__(JobOptions)
        merged.values = {**lower.values, **self.values}
        if "delay" in self.values:
            merged.values.pop("at", None)
        elif "at" in self.values:
            merged.values.pop("delay", None)
        _refuse_both(merged.values)
        return merged

    def refuse(self, names: frozenset[str], where: str) -> None:
        """Raise for options that cannot be given in this place.

        Raises:
            ConfigInvalid: One of ``names`` is set.
        """
        for name in self.values:
            if name in names:
                raise ConfigInvalid(f"{name} cannot be set {where}")

    def for_its_key(self, merged: JobOptions) -> None:
        """Check that a job that was given a ``key_priority`` of its own has a key.

        Args:
            merged: Its options, completed by those of its task and its queue.

        Raises:
            ConfigInvalid: It has none.
        """
        if self.values.get("key_priority") and merged.values.get("key") is None:
            raise ConfigInvalid(
                f"key_priority orders the jobs of one key, got {self.values['key_priority']} for a "
                "job without a key: give it key=, or a priority= among all jobs"
            )

    def for_task(self) -> JobOptions:
        """Return these options, given on a task or as defaults of a queue."""
        self.refuse(_JOB_ONLY, "on a task or a queue: it belongs to one job")
        return self

    def for_job(self) -> JobOptions:
        """Return these options, given on a job."""
        self.refuse(_TASK_ONLY, "on a job: it is code and stays with the task")
        if callable(self.values.get("backoff")):
            raise ConfigInvalid("backoff of a job must be data: a callable stays with the task")
        return self

    def wire(self) -> str:
        """Return what Lua needs, as the letters of the header; empty for defaults."""
        values, text = self.values, ""
        for name, (letter, default) in _LETTERS.items():
            value = values.get(name, default)
            if value != default:
                text += f",{letter}{value}"
        if values.get("delivery") == "at_most_once":
            text += ",m1"
        if values.get("key") is not None:
            rank = values.get("key_priority")
            text += f",g{quote_key(values['key'])}" + (f",G{rank}" if rank else "")
        if values.get("lifo"):
            text += ",L1"
        expires = values.get("expires")
        if isinstance(expires, datetime):
            text += f",x{instant_ms('expires', expires)}"
        elif expires is not None:
            text += f",v{expires}"
        if values.get("delay"):
            text += f",y{values['delay']}"
        elif "at" in values:
            text += f",w{values['at']}"
        return text

    def spec(self) -> dict[str, Any]:
        """Return what the worker needs beside what the task says; empty for none."""
        found = {name: self.values[name] for name in _IN_SPEC if name in self.values}
        if self.values.get("depends_on"):
            # Its header has it.
            found.pop("on_parent_failure", None)
        return found


LIBRARY_DEFAULTS = JobOptions(
    attempts=3,
    backoff=Exponential(),
    timeout=300,
    lease=15,
    max_deliveries=3,
    delivery="at_least_once",
    keep_result=3600,
    keep_dead=30 * 24 * 3600,
    keep_cancelled=3600,
)


def defaults_of_queue(given: JobOptions | None) -> JobOptions:
    """Return the defaults of a queue, completed by what the environment says of its jobs.

    Raises:
        ConfigInvalid: One of them belongs to one job, or the environment's is out of range.
    """
    attempts = attempts_from_environment()
    outside = JobOptions() if attempts is None else JobOptions(attempts=attempts)
    return (given or JobOptions()).over(outside).for_task()


def stored_options(
    header: Mapping[str, str], spec: Mapping[str, Any], headers: Mapping[str, str]
) -> JobOptions:
    """Return the options of a stored job, as another one like it takes them; without ``unique``.

    Those at their defaults are among them, so that nothing comes from the task or the queue as they
    are by now. Its time and its place in a flow are its own. An expiry counts from the enqueue of
    the other job, as long as that of this one did from when it was to be ready.

    Args:
        header: Its header, by letter.
        spec: The options in its spec.
        headers: Its headers.

    Raises:
        ConfigInvalid: One of them cannot be read.
    """
    values: dict[str, Any] = {"headers": dict(headers), "unique": None}
    for name, (letter, default) in _LETTERS.items():
        values[name] = _read_whole(header, letter, default)
    values["delivery"] = "at_most_once" if _has_mark(header, "m") else "at_least_once"
    values["lifo"] = _has_mark(header, "L")
    values["key"] = unquote(header["g"]) if "g" in header else None
    values["key_priority"] = _read_whole(header, "G", 0)
    values["expires"] = _lasts(header)
    known = (
        {letter for letter, _ in _LETTERS.values()} | _OF_ONE_JOB | {"m", "L", "g", "G", "x", "u"}
    )
    for letter in sorted(header.keys() - known):
        raise _unreadable(letter + header[letter])
    return _from_spec(spec, values)


def _has_mark(header: Mapping[str, str], letter: str) -> bool:
    mark = header.get(letter)
    if mark not in {None, "1"}:
        raise _unreadable(f"{letter}{mark}")
    return mark is not None


def _read_whole(header: Mapping[str, str], letter: str, default: int | None) -> int | None:
    if letter not in header:
        return default
    number = whole(header[letter], None)
    if number is None:
        raise _unreadable(letter + header[letter])
    return number


def _lasts(header: Mapping[str, str]) -> int | None:
    """Return the ms for which a job could be started, None where it never expires."""
    end = _read_whole(header, "x", None)
    if end is None:
        return None
    ready, enqueued = _read_whole(header, "w", 0) or 0, enqueued_ms(header)
    return max(1, end - (ready if enqueued < ready < end else enqueued))


def _from_spec(spec: Mapping[str, Any], values: dict[str, Any]) -> JobOptions:
    for name, value in spec.items():
        try:
            # As they are stored: the ms of a timeout, and a back-off as data.
            values[name] = msgspec.convert(value, _IN_SPEC[name])
        except (KeyError, msgspec.ValidationError):
            raise _unreadable(f"{name}={value!r:.80}") from None
    made = JobOptions()
    made.values = values
    return made


_IN_SPEC: dict[str, Any] = {
    "attempts": int,
    "timeout": int | None,
    "backoff": Exponential | Fixed | Linear | tuple[float, ...],
    # For jobs that one may wait for while it runs.
    "on_parent_failure": OnFailure,
}


def _unreadable(option: str) -> ConfigInvalid:
    return ConfigInvalid(f"its option {option!r} is not one that this version can read")
