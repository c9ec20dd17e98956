"""What a form sends: the fields of the URL and of the body, each checked where it is read.

What a page says stands in the URL, which keeps every text as it is. What a person types comes in
the body, and spaces around it do not count.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ["Form", "read_form"]

_MOST_FIELDS = 2000


class Form:
    """The fields of a form.

    Args:
        fields: The values of each, in their order.
    """

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self.fields = fields

    def text(self, name: str) -> str:
        """Return a field, empty where it is not there."""
        return self.fields.get(name, [""])[0]

    def or_none(self, name: str) -> str | None:
        """Return a field, None where it is not there or empty."""
        return self.text(name) or None

    def every(self, name: str) -> list[str]:
        """Return all fields of that name."""
        return self.fields.get(name, [])

    def whole(self, name: str) -> int | None:
        """Return a whole number, None where none is given.

        Raises:
            ConfigInvalid: It is something else.
        """
        text = self.text(name)
        if not text:
            return None
        digits = text.removeprefix("-")
        if not digits.isdecimal() or len(digits) > 12:
            raise ConfigInvalid(f"{name} must be a whole number, got {text!r:.80}")
        return int(text)

    def seconds(self, name: str) -> float | None:
        """Return a number of seconds, None where none is given.

        Raises:
            ConfigInvalid: It is something else.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            return float(text)
        except ValueError:
            raise ConfigInvalid(f"{name} must be seconds, such as 90, got {text!r:.80}") from None

    def instant(self, name: str) -> datetime | None:
        """Return a moment, None where none is given; one without an offset is in UTC.

        Raises:
            ConfigInvalid: It is something else.
        """
        text = self.text(name)
        if not text:
            return None
        try:
            given = datetime.fromisoformat(text)
        except ValueError:
            raise ConfigInvalid(
                f"{name} must be a time such as 2026-12-24T18:00, got {text!r:.80}"
            ) from None
        return given if given.utcoffset() is not None else given.replace(tzinfo=UTC)


async def read_form(request: Request) -> Form:
    """Return the fields of a request; those of the body count before those of the URL.

    Raises:
        ConfigInvalid: There are too many.
    """
    fields: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        fields.setdefault(name, []).append(value)
    try:
        body = parse_qs(
            (await request.body()).decode(errors="replace"), max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise ConfigInvalid(
            f"a form may have {_MOST_FIELDS} fields: choose fewer jobs, or all that match"
        ) from None
    typed = {name: [value.strip() for value in values] for name, values in body.items()}
    return Form(fields | typed)
