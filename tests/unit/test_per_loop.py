"""What closed event loops leave behind, taken away by many threads at once."""

from __future__ import annotations

from typing import Any

from aiojobs_redis._redis.per_loop import take_closed


class _Loop:
    def __init__(self, *, closed: bool) -> None:
        self.closed = closed

    def is_closed(self) -> bool:
        return self.closed


class _Raced(_Loop):
    """A closed loop that another thread takes out, and puts one of its own in."""

    def __init__(self, made: dict[Any, str]) -> None:
        super().__init__(closed=True)
        self.made = made

    def is_closed(self) -> bool:
        del self.made[self]
        self.made[_Loop(closed=True)] = "put in"
        return True


def test_what_another_thread_takes_or_puts_in_meanwhile_is_left_to_it() -> None:
    made: dict[Any, str] = {}
    made[_Raced(made)] = "taken out"
    made[_Loop(closed=True)] = "closed"
    made[_Loop(closed=False)] = "open"
    assert take_closed(made) == ["closed"]
    assert list(made.values()) == ["open", "put in"]
