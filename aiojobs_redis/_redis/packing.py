"""Commands as bytes, packed by hiredis: redis-py's asyncio client has only a slow way in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import hiredis

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Argument", "pack"]

Argument = bytes | str | int | float

_untyped: Any = hiredis
pack: Final[Callable[[tuple[Argument, ...]], bytes]] = _untyped.pack_command
"""Turn the words of a command into the bytes to send; text becomes UTF-8."""
