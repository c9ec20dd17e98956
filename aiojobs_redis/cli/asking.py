"""The question before something is removed."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING

import click

from aiojobs_redis.cli.exits import Failure

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = ["ask"]


def ask(question: str) -> None:
    """Ask on standard error, where it is seen though the output goes to a file.

    Raises:
        Failure: It was denied, or nobody is there to answer.
        Abort: Ctrl-C.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr), _interruptible():
            agreed = click.confirm(question)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        text = "nobody answered, so nothing was done: --yes leaves the question out."
        raise Failure(text) from None
    if not agreed:
        raise Failure("nothing was done.")


@contextlib.contextmanager
def _interruptible() -> Generator[None]:
    # On an event loop Ctrl-C cancels the task that asks, which it would notice after the answer.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
