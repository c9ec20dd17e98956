"""Parts of a list that is read whole: of schedules, limits and workers, which people set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Part", "part_of"]

T = TypeVar("T")


class Part(msgspec.Struct, forbid_unknown_fields=True):
    """Which part of the list."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=2**52)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 250


def part_of(found: Sequence[T], part: Part) -> tuple[Sequence[T], int | None]:
    """Return that part of a list, and where the next one begins; None where there is none."""
    end = part.offset + part.limit
    return found[part.offset : end], end if end < len(found) else None
