"""What became of each job of an enqueue, as the script answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ADDED", "BESIDE", "LINE_FULL", "OVER", "REFUSALS", "REPLACES", "TAKEN", "read_answer"]

ADDED, TAKEN, OVER, REPLACES, LINE_FULL, BESIDE = "1", "0", "2", "4", "5", "9"
REFUSALS = frozenset({OVER, LINE_FULL, BESIDE})
"""Flags of jobs that were not written."""

_PLAIN = REFUSALS | {ADDED, TAKEN}


def read_answer(reply: Sequence[bytes]) -> Sequence[str]:
    """Return a text a job: ``1`` added, ``0`` its id was taken, ``2`` over its rate.

    ``5`` is of a key that has as many waiting jobs as it may, ``9`` of a flow in which another job
    was refused.

    Where its unique key was taken it is another digit, and the id of the job that is there.

    Args:
        reply: Flags, and where there are jobs that have a key of others, their ids.
    """
    flags: str = reply[0].decode()
    if len(reply) == 1:
        return flags
    ids = _ids(reply[1])
    return [flag if flag in _PLAIN else flag + next(ids) for flag in flags]


def _ids(text: bytes) -> Iterator[str]:
    while text:
        length, _, text = text.partition(b":")
        yield text[: int(length)].decode()
        text = text[int(length) :]
