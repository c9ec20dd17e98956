"""What a test looks for among the jobs of a queue: a task, some of its arguments, some options."""

from __future__ import annotations

import inspect
import reprlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from aiojobs_redis._redis.keys import check_name
from aiojobs_redis.codec import decode_untyped
from aiojobs_redis.errors import ArgumentsInvalid, ConfigInvalid
from aiojobs_redis.operating import state_named
from aiojobs_redis.options import JobOptions, option_names
from aiojobs_redis.policy import policy_of
from aiojobs_redis.signature import Parameter, encode_value
from aiojobs_redis.task import BoundCall, ConfiguredTask, Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiojobs_redis.job import JobInfo, JobState

__all__ = ["Wanted", "call_text", "wanted"]

_ANY = Parameter("value", Any, "Any")
_OPTIONS = option_names()
_COMPARED = ("at", "attempts", "delay", "headers", "id", "key", "priority")
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = _BRIEF.maxlong = 60
_LONGEST_CALL = 300


class Argument(NamedTuple):
    """An argument that a job is to have.

    Attributes:
        parameter: Where it belongs.
        value: What was given: the value, or what compares itself with one, such as `mock.ANY`.
        encoded: The value as a job has it; None for what compares itself.
    """

    parameter: Parameter
    value: Any
    encoded: bytes | None

    def fits(self, stored: Any) -> bool:
        """Whether a job has it, by what is stored in its place."""
        data, decode = encode_value(stored), self.parameter.decode
        try:
            if self.encoded is None:
                return bool(self.value == decode(data))
            # Sets, for one, are equal in any order; classes without == are so as plain data.
            return data == self.encoded or bool(decode(data) == decode(self.encoded))
        except (msgspec.MsgspecError, ValueError, TypeError):
            # Of another type than the task takes by now.
            return False


class Wanted(NamedTuple):
    """What is looked for.

    Attributes:
        task: Name of the task; None for any.
        text: The call, for messages.
        code: The task, where its code is at hand.
        by_place: Arguments by position, of a task whose code is not at hand.
        rest: Those that a task takes as ``*args``, by position.
        by_name: Arguments by the name of their parameters.
        options: Options that the job is to have.
        states: In which states; None for those that have not finished.
    """

    task: str | None
    text: str
    code: Task[..., Any] | None = None
    by_place: Sequence[Argument] = ()
    rest: Sequence[Argument] = ()
    by_name: Mapping[str, Argument] = {}
    options: Mapping[str, Any] = {}
    states: tuple[JobState, ...] | None = None

    def fits(self, job: JobInfo) -> bool:
        """Whether a job is what is looked for."""
        if self.task is not None and job.task != self.task:
            return False
        places, names, rest = job.args, job.kwargs, list[Any]()
        if self.code is not None:
            positional = [one.name for one in self.code.codec.signature.positional]
            names = dict(zip(positional, job.args, strict=False)) | job.kwargs
            rest = job.args[len(positional) :]
            places = []
        return (
            _begins_with(places, self.by_place)
            and _begins_with(rest, self.rest)
            and all(self._has(names, name, one) for name, one in self.by_name.items())
            and all(self._is(job, name, value) for name, value in self.options.items())
        )

    def _has(self, names: Mapping[str, Any], name: str, argument: Argument) -> bool:
        if name in names:
            return argument.fits(names[name])
        # The task runs with its default then.
        default = _default_of(self.code, name)
        if default is inspect.Parameter.empty:
            return False
        try:
            return argument.fits(default)
        except Exception:
            # One that has no form in a job, which no argument is.
            return argument.value is default

    def _is(self, job: JobInfo, name: str, value: Any) -> bool:
        has: Any
        match name:
            case "at":
                has = _ms(job.run_at.timestamp())
            case "delay":
                has = _ms((job.run_at - job.enqueued_at).total_seconds())
            case "headers":
                # Those that are given: others come from the queue and from middleware.
                has = {key: job.headers.get(key) for key in value}
            case "attempts" if job.attempts is None and self.code is not None:
                has = policy_of(self.code).attempts
            case _:
                has = getattr(job, name)
        return bool(has == value)


def wanted(
    helper: str,
    target: Any,
    args: Sequence[Any],
    keywords: Mapping[str, Any],
    tasks: Mapping[str, Task[..., Any]],
) -> Wanted:
    """Return what is looked for.

    Args:
        helper: Who looks, for messages.
        target: The task, by itself, with options or as a bound call; its name; None for any.
        args: Some of its positional arguments, from the first one on.
        keywords: Some of its keyword arguments, options, and ``state``.
        tasks: Those of the queue, by name.

    Raises:
        ArgumentsInvalid: No job can have such an argument.
        ConfigInvalid: An option cannot be compared, or the target is none.
    """
    name, code, options = _target(helper, target, tasks)
    given = dict(keywords)
    filters = {key: given.pop(key) for key in list(given) if _is_filter(key, code)}
    states = _states(filters.pop("state", None))
    options = JobOptions(**filters).for_job().over(options)
    if odd := sorted(options.values.keys() - set(_COMPARED)):
        raise ConfigInvalid(
            f"{helper}() cannot compare {', '.join(odd)}: a job shows only "
            f"{', '.join(_COMPARED)} and state. Leave it out"
        )
    if (name is None or isinstance(target, BoundCall)) and (args or given):
        beside = "a task alone" if name is None else "a task, and a bound call has its own"
        raise ArgumentsInvalid(f"{helper}() takes arguments beside {beside}")
    if isinstance(target, BoundCall):
        args, given = code.codec.decode(target.call) if code else decode_untyped(target.call)
    text = "any job" if name is None else call_text(name, args, given)
    if shown := _filters_text(options.values, states):
        text += f" with {shown}"
    found = Wanted(name, text, code, options=options.values, states=states)
    if code is None:
        by_place = [_argument("?", f"args[{at}]", _ANY, one) for at, one in enumerate(args)]
        by_name = {key: _argument("?", key, _ANY, value) for key, value in given.items()}
        return found._replace(by_place=by_place, by_name=by_name)
    signature = code.codec.signature
    signature.check_part(len(args), given.keys())
    pairs = zip(signature.parameters(len(args), given), (*args, *given.values()), strict=True)
    names = [one.name for one in signature.positional[: len(args)]]
    labels = [*names, *["*"] * (len(args) - len(names)), *given]
    made = [
        (label, _argument(code.name, label, *pair))
        for label, pair in zip(labels, pairs, strict=True)
    ]
    rest = [one for label, one in made if label == "*"]
    return found._replace(rest=rest, by_name={key: one for key, one in made if key != "*"})


def call_text(task: str, args: Iterable[Any], kwargs: Mapping[str, Any]) -> str:
    """Return a call as it is written in Python, in 300 characters at most."""
    shown = [_BRIEF.repr(value) for value in args]
    shown += [f"{name}={_BRIEF.repr(value)}" for name, value in kwargs.items()]
    text = f"{task}({', '.join(shown)})"
    return text if len(text) <= _LONGEST_CALL else f"{text[: _LONGEST_CALL - 4]}...)"


def _target(
    helper: str, target: Any, tasks: Mapping[str, Task[..., Any]]
) -> tuple[str | None, Task[..., Any] | None, JobOptions]:
    match target:
        case None:
            return None, None, JobOptions()
        case Task():
            return target.name, target, JobOptions()
        case ConfiguredTask():
            return target.task.name, target.task, target.given
        case BoundCall():
            return target.task, target.made_by or tasks.get(target.task), target.options
        case str():
            return check_name("task", target), tasks.get(target), JobOptions()
        case _:
            raise ConfigInvalid(
                f"{helper}() takes a task, its name or a bound call, got {target!r:.80} "
                f"({type(target).__name__})"
            )


def _is_filter(name: str, code: Task[..., Any] | None) -> bool:
    # What the task takes by that name is its argument, as in `Task.enqueue`.
    return (name in _OPTIONS or name == "state") and not (code and name in code.parameters)


def _states(value: Any) -> tuple[JobState, ...] | None:
    if value is None:
        return None
    return (state_named(value),) if isinstance(value, str) else tuple(map(state_named, value))


def _filters_text(options: Mapping[str, Any], states: tuple[JobState, ...] | None) -> str:
    shown = [
        f"{name}={value / 1000:g} s" if name == "delay" else f"{name}={_BRIEF.repr(value)}"
        for name, value in options.items()
    ]
    return ", ".join(shown + ([] if states is None else [f"state={'|'.join(states)}"]))


def _argument(task: str, label: str, parameter: Parameter, value: Any) -> Argument:
    fault = parameter.fault(label, value)
    if fault is None:
        return Argument(parameter, value, encode_value(value))
    compares: Any = type(value).__eq__
    if not _encodes(value) and compares is not object.__eq__:
        return Argument(parameter, value, None)
    raise ArgumentsInvalid(
        f"{task}() expects {label}: {parameter.label}, {fault}. No job can have it: give a value "
        "that the task takes, or leave the argument out."
    )


def _encodes(value: Any) -> bool:
    try:
        encode_value(value)
    except Exception:
        return False
    return True


def _begins_with(values: Sequence[Any], arguments: Sequence[Argument]) -> bool:
    return len(values) >= len(arguments) and all(
        argument.fits(value) for argument, value in zip(arguments, values, strict=False)
    )


def _default_of(code: Task[..., Any] | None, name: str) -> Any:
    if code is None or code.batching is not None:
        return inspect.Parameter.empty
    parameter = inspect.signature(code).parameters.get(name)
    return inspect.Parameter.empty if parameter is None else parameter.default


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
