"""Texts that come out of Redis, made safe to print, and numbers of things."""

from __future__ import annotations

import re

__all__ = ["json_without_controls", "number_of", "printable"]

_CONTROLS = re.compile(r"[\x7f-\x9f]")


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


def json_without_controls(text: str) -> str:
    """Return JSON with those control characters escaped that JSON itself lets stand: DEL and C1."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def number_of(count: int, what: str) -> str:
    """Return a number of things as one says it: ``1 job``, ``1,204 jobs``."""
    return f"{count:,} {what}" + "s" * (count != 1)
