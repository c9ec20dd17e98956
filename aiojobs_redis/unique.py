"""Deduplication as an option: which jobs are the same, how long one keeps the others out.

The key of a job travels as option ``u`` of its header; include/unique.lua has its form. It begins
with the task's name, so that two tasks do not meet by accident: ``task/key``, or ``task=digest``
for one that is made from the arguments. Neither sign can stand in the name of a task.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote

import msgspec

from aiojobs_redis.codec import decode_untyped
from aiojobs_redis.duration import to_ms
from aiojobs_redis.errors import ConfigInvalid
from aiojobs_redis.spec import quote_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

__all__ = ["Unique", "check_unique", "read_unique", "sealed_for", "unique_option"]

_LONGEST = 256
_ENDS = {"done": "d", "started": "s", None: "-"}
_ON_CONFLICT = {"keep": "k", "replace": "r", "follow": "f"}
_SHARED = frozenset({"r", "f"})
# A job that is started is not replaced any more; what follows it, waits for its end.
_ONLY_UNTIL = {"replace": "started", "follow": "done"}
_FORM = re.compile(r"([ds-])([krf])(\d{0,15})(\+?):(.*)", re.DOTALL)
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Unique:
    """What makes jobs of a task the same, and how long one of them keeps the others out.

    Args:
        key: 1 to 256 bytes of Unicode; None makes it from the arguments.
        until: ``done``: until the job has ended, however often it is retried; ``started``: until a
            worker has it. ``done`` by default, with ``replace`` ``started``, and with a window
            nothing but the window.
        window: Seconds from the enqueue in which no second job is added, whatever becomes of the
            first. With ``until`` the key is taken until both have passed.
        on_conflict: What becomes of a job whose key is taken. ``keep``: it is not added, the
            handle is that of the job that is there. ``replace``: the one that waits gets its
            arguments, delay and options, under its old id; the last one wins. ``follow``: the same
            while it waits; while it runs, one job waits for its end, and the last one wins there.
        extend: Whether a job that is kept out starts the window of the other again.

    Raises:
        ConfigInvalid: A value is out of range, or two do not go together.
    """

    key: str | None = None
    until: Literal["started", "done"] | None = None
    window: float | timedelta | None = None
    on_conflict: Literal["keep", "replace", "follow"] = "keep"
    extend: bool = False

    def __post_init__(self) -> None:
        if self.key is not None:
            _check_key(self.key)
        for name, value, allowed in (
            ("until", self.until, _ENDS),
            ("on_conflict", self.on_conflict, _ON_CONFLICT),
        ):
            if not isinstance(value, str | None) or value not in allowed:
                words = ", ".join(word for word in allowed if word)
                raise ConfigInvalid(f"{name} of Unique must be one of {words}, got {value!r:.80}")
        if self.window is not None:
            to_ms("window of Unique", self.window, least=1)
        only = _ONLY_UNTIL.get(self.on_conflict)
        if only is not None and self.until not in {None, only}:
            raise ConfigInvalid(
                f"on_conflict={self.on_conflict!r} of Unique is possible until {only}, "
                f"got until={self.until!r}: leave it away"
            )
        if only is not None and self.window is not None:
            raise ConfigInvalid(
                f"on_conflict={self.on_conflict!r} of Unique has no window, got "
                f"{self.window!r:.80}: a delay of the job says how long it waits for a later one"
            )
        if not isinstance(self.extend, bool) or (self.extend and self.window is None):
            raise ConfigInvalid(
                f"extend of Unique is True or False, and needs a window; got {self.extend!r:.80}"
            )

    @property
    def form(self) -> str:
        """What stands before the key in the header."""
        until = self.until or _ONLY_UNTIL.get(self.on_conflict)
        if until is None and self.window is None:
            until = "done"
        window = "" if self.window is None else to_ms("window", self.window)
        return f"{_ENDS[until]}{_ON_CONFLICT[self.on_conflict]}{window}{'+' * self.extend}"


def _check_key(key: Any) -> None:
    if not isinstance(key, str):
        raise ConfigInvalid(f"a unique key must be a str, got {key!r:.80} ({type(key).__name__})")
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise ConfigInvalid(f"a unique key must be valid Unicode, got {key!r:.80}") from None
    if not 1 <= size <= _LONGEST:
        raise ConfigInvalid(
            f"a unique key must be 1 to {_LONGEST} bytes in UTF-8, got {size} bytes: use a digest "
            "of a longer one"
        )


def check_unique(value: Any) -> Unique | None:
    """Return what the option was given as; None for False, which undoes that of the task.

    Raises:
        ConfigInvalid: It is neither a bool nor a str nor a `Unique`.
    """
    if isinstance(value, bool):
        return Unique() if value else None
    if isinstance(value, str):
        return Unique(value)
    if isinstance(value, Unique):
        return value
    raise ConfigInvalid(
        f"unique must be True, a str or a Unique, got {value!r:.80} ({type(value).__name__})"
    )


def unique_option(unique: Unique, task: str, call: bytes, positional: Sequence[str]) -> str:
    """Return the option as it stands in a header.

    Args:
        unique: What was asked for.
        task: Name of the task.
        call: The encoded arguments.
        positional: Names of the parameters that may be given by position; none where the code is
            not at hand.
    """
    if unique.key is None:
        key = f"{task}={_digest(call, positional)}"
    else:
        key = f"{task}/{quote_key(unique.key)}"
    return f",u{unique.form}:{key}"


def read_unique(option: str, task: str, call: bytes, positional: Sequence[str]) -> Unique:
    """Return what was asked for from the option as it stands in a header, without its letter.

    Args:
        option: The option.
        task: As for `unique_option`, and so the others.
        call: The encoded arguments.
        positional: Names of the parameters that may be given by position.

    Raises:
        ConfigInvalid: It has another form, or is not that of the arguments: a digest of them is
            only made anew where the code of the task is at hand.
    """
    found = _FORM.fullmatch(option)
    if found is not None:
        ends, conflicts, window, plus, key = found.groups()
        prefix = f"{task}/"
        made = Unique(
            key=unquote(key.removeprefix(prefix)) if key.startswith(prefix) else None,
            until=_word(_ENDS, ends),
            window=int(window) / 1000 if window else None,
            on_conflict=_word(_ON_CONFLICT, conflicts),
            extend=bool(plus),
        )
        if unique_option(made, task, call, positional) == f",u{option}":
            return made
    raise ConfigInvalid(f"its option {f'u{option}'!r:.300} is not one that this version can read")


def _word(letters: Mapping[Any, str], letter: str) -> Any:
    return next(word for word, known in letters.items() if known == letter)


def sealed_for(header: Mapping[str, str], id: bytes) -> tuple[Literal["payload", "shared"], bytes]:
    """Return for what the payload of a job is sealed: the kind of value, and what it belongs to.

    One that may take the place of another, whose id its producer cannot know, is sealed for their
    key instead.

    Args:
        header: The options of its header.
        id: Its id.
    """
    form, _, key = header.get("u", "").partition(":")
    if form[1:2] in _SHARED:
        return "shared", key.encode()
    return "payload", id


def _digest(call: bytes, positional: Sequence[str]) -> str:
    """Return a digest that does not depend on how the same arguments were written down."""
    args, named = decode_untyped(call)
    for name in positional[len(args) :]:
        if name not in named:
            break
        args.append(named.pop(name))
    try:
        call = _encode((args, named))
    except TypeError:
        # Keys of a dict that cannot be sorted; then their order counts.
        call = msgspec.msgpack.encode((args, named))
    return hashlib.blake2b(call, digest_size=16).hexdigest()
