"""Numbers on the command line: what is refused is told with what it may be."""

from __future__ import annotations

import math
from typing import Any

import click

__all__ = ["Seconds", "Whole"]


class Whole(click.IntRange):
    """A whole number in a range, which begins with its `min`."""

    name = "n"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            end = "on" if self.max is None else f"to {self.max:,}"
            self.fail(f"{value!r} is no whole number from {self.min:,} {end}.", param, ctx)
        return number


class Seconds(click.FloatRange):
    """A number of seconds in a range, which begins with its `min`."""

    name = "seconds"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number."""
        try:
            number: float = super().convert(value, param, ctx)
        except click.BadParameter:
            number = math.nan
        # What is no number is in every range.
        if not math.isfinite(number):
            end = "on" if self.max is None else f"to {self.max:,}"
            self.fail(f"{value!r} is no number of seconds from {self.min:,} {end}.", param, ctx)
        return number
