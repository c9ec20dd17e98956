"""How to start an asyncio task at once, where Python can: from 3.12 on."""

from __future__ import annotations

import sys
from typing import Any, Final

__all__ = ["EAGER"]

EAGER: Final[dict[str, Any]] = {"eager_start": True} if sys.version_info >= (3, 12) else {}
"""Keywords of `asyncio.Task`: it runs until it has to wait before its constructor returns.

A loop must be running; where the keywords are empty, the task starts in the next turn of the loop.
"""
