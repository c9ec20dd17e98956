"""Texts that come out of Redis, made safe to print, and numbers of things."""

from __future__ import annotations

__all__ = ["number_of", "printable"]


def printable(text: str, keep: str = "") -> str:
    """Return a text with control characters spelled out, so that none reaches a terminal.

    Args:
        text: The text.
        keep: Control characters to leave as they are.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def number_of(count: int, what: str) -> str:
    """Return a number of things as one says it: ``1 job``, ``1,204 jobs``."""
    return f"{count:,} {what}" + "s" * (count != 1)
