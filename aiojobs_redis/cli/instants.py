"""Moments, as options take them."""

from __future__ import annotations

from datetime import datetime

import click

__all__ = ["read_instant"]


def read_instant(option: str, text: str) -> datetime:
    """Return the moment that an option names.

    Raises:
        UsageError: It is no time, or has no offset.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"{option} takes a time such as 2026-12-24T18:00+01:00, got {text!r}."
        ) from None
    if instant.utcoffset() is None:
        full = instant.isoformat(timespec="minutes")
        raise click.UsageError(f"{option} needs an offset, as in {full}+01:00 or {full}Z.")
    return instant
