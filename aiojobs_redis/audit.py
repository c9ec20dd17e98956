"""What people did to a queue, as plain data: who, when, what, to which job."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.duration import from_ms
from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

__all__ = ["ActionRecord", "check_place", "encode_action", "read_actions"]

_LARGEST = 4096
_LONGEST = 256
_ID = re.compile(r"\d{1,19}-\d{1,19}")


@dataclass(frozen=True, slots=True)
class ActionRecord:
    """Something that somebody did to a queue; see `Queue.actions`.

    Attributes:
        id: Grows with each record.
        at: When it was written, by the server's clock.
        who: Who did it.
        action: What they did, such as ``retry``.
        job: Id of the job to which they did it, None for what is not about one.
        details: What else was asked for, such as the filter of a ``replay_all``.
        outcome: None for what was begun, which is written before anything is changed; in a second
            record what came of it, where that is more than its success: a number, or the error.
    """

    id: str
    at: datetime
    who: str
    action: str
    job: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    outcome: str | None = None


class _Record(msgspec.Struct, omit_defaults=True):
    who: str
    action: str
    job: str | None = None
    details: dict[str, Any] = {}
    outcome: str | None = None


_read = msgspec.json.Decoder(_Record).decode


def encode_action(
    who: str, action: str, job: str | None, details: Mapping[str, Any], outcome: str | None
) -> bytes:
    """Encode a record; long texts are cut.

    Raises:
        ConfigInvalid: ``who`` or ``action`` is empty, or the details have no form in JSON or take
            more than 4 KiB.
    """
    for name, text in (("who", who), ("action", action)):
        if not isinstance(text, str) or not text:
            raise ConfigInvalid(f"{name} must be a text that is not empty, got {text!r:.80}")
    try:
        given = msgspec.json.encode(details)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigInvalid(
            f"details must be plain data that has a form in JSON: {error}"
        ) from None
    if len(given) > _LARGEST:
        raise ConfigInvalid(f"details may take {_LARGEST} bytes in JSON, got {len(given)}")
    said = None if outcome is None else _clean(outcome[:_LARGEST])
    named = None if job is None else _clean(job[:_LONGEST])
    record = _Record(_clean(who[:_LONGEST]), _clean(action[:_LONGEST]), named, {}, said)
    plain = msgspec.json.encode(record)
    # The details are encoded already, and not looked at again.
    return plain if given == b"{}" else plain[:-1] + b',"details":' + given + b"}"


def _clean(text: str) -> str:
    return text.encode(errors="replace").decode()


def read_actions(flat: Sequence[bytes]) -> list[ActionRecord]:
    """Return the records of a page, without those that are damaged.

    Args:
        flat: Id and JSON of each.
    """
    found: list[ActionRecord] = []
    for key, body in zip(flat[::2], flat[1::2], strict=True):
        try:
            record = _read(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
        id = key.decode()
        at = from_ms(int(id.partition("-")[0]))
        found.append(
            ActionRecord(
                id, at, record.who, record.action, record.job, record.details, record.outcome
            )
        )
    return found


def check_place(before: str | None) -> str:
    """Return where a page of records ends.

    Raises:
        ConfigInvalid: It is no id of a record.
    """
    if before is None:
        return "+"
    if not isinstance(before, str) or not _ID.fullmatch(before):
        raise ConfigInvalid(f"before must be the id of a record or None, got {before!r:.80}")
    return f"({before}"
