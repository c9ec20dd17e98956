"""The asyncio links of this process: what a fork and the end of an event loop mean for them."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import Protocol

__all__ = ["abort_open_links", "enlist"]


class _LoopBound(Protocol):
    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop of its connection, None while there is none."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...

    def abandon(self) -> None:
        """Forget the connection without a word to the server."""
        ...


_links: weakref.WeakSet[_LoopBound] = weakref.WeakSet()


def enlist(link: _LoopBound) -> None:
    """Let a link be among those that are looked after, as long as somebody has it."""
    _links.add(link)


def abort_open_links() -> None:
    """Close the connections of the running event loop, whoever uses them; the loop is to end.

    A queue that was used in passing, and shares a server with others, is closed by nobody. With
    warnings as errors, uvloop waits for its connections for ever.
    """
    loop = asyncio.get_running_loop()
    for link in list(_links):
        if link.loop is loop:
            link.abort()


def _forget_links_of_parent() -> None:
    for link in list(_links):
        link.abandon()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_links_of_parent)
