"""Numbers, times and durations as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

__all__ = ["ago", "amount", "between", "bytes_text", "moment", "percent", "seconds_text"]

NOTHING: Final = "\N{EN DASH}"
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SIZES: Final = ("B", "kB", "MB", "GB", "TB")


def amount(number: float | None) -> str:
    """Return a number with its thousands apart."""
    return NOTHING if number is None else f"{number:,.0f}"


def percent(part: float, whole: float) -> str:
    """Return a share in percent; a dash where there is nothing to share."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.1f} %" if 0 < share < 10 else f"{share:.0f} %"


def seconds_text(seconds: float | None) -> str:
    """Return a duration in at most two units: ``340 ms``, ``12.0 s``, ``3 min 4 s``."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for at, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            rest, (small, small_unit) = whole % size, _UNITS[at + 1]
            tail = f" {rest // small} {small_unit}" if rest // small else ""
            return f"{whole // size} {unit}{tail}"
    return "0 s"


def bytes_text(size: int | None) -> str:
    """Return a number of bytes in a unit that fits."""
    if size is None:
        return NOTHING
    number, unit = float(size), 0
    while number >= 1000 and unit < len(_SIZES) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.0f} {_SIZES[unit]}" if unit == 0 else f"{number:.1f} {_SIZES[unit]}"


def ago(instant: datetime, now: datetime | None = None) -> str:
    """Return how long ago an instant is, or how long it is until then, in one unit."""
    away = ((now or datetime.now(UTC)) - instant).total_seconds()
    size = abs(away)
    if size < 1:
        return "now"
    for limit, divisor, unit in ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h")):
        if size < limit:
            text = f"{size // divisor:.0f} {unit}"
            break
    else:
        text = f"{size // 86400:.0f} d"
    return f"{text} ago" if away > 0 else f"in {text}"


def moment(instant: datetime | None, now: datetime | None = None) -> Markup:
    """Return an instant as it is told relative to now, with the exact one to hover."""
    if instant is None:
        return Markup('<span class="none">{}</span>').format(NOTHING)
    exact = instant.isoformat(" ", "milliseconds")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        instant.isoformat(), exact, ago(instant, now)
    )


def between(start: datetime | None, end: datetime | None) -> str:
    """Return how long something took; a dash where one end is not known."""
    if start is None or end is None:
        return NOTHING
    return seconds_text(max(0.0, (end - start).total_seconds()))
