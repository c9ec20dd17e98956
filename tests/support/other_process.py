"""Python code in a process of its own, as another service would run it."""

from __future__ import annotations

import asyncio
import os
import sys
import textwrap
from asyncio.subprocess import PIPE, Process

__all__ = ["run_python", "start_python"]

_SECONDS = 60.0


async def start_python(code: str, *args: str) -> Process:
    """Start an interpreter with the code; ``sys.argv[1:]`` are the arguments."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(code), *args),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        env={**os.environ, "PYTHONWARNINGS": "default"},
    )


async def run_python(code: str, *args: str) -> str:
    """Run the code to its end and return what it printed.

    Raises:
        AssertionError: It failed, or wrote to standard error.
    """
    process = await start_python(code, *args)
    try:
        out, err = await asyncio.wait_for(process.communicate(), _SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode, err.decode()) == (0, "")
    return out.decode()
