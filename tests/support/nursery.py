"""Processes that are forked from a warm one, so that hundreds can be born and killed in a minute.

``python -m tests.support.nursery MODULE`` imports the module, then forks for each line of its input
a child that runs the module's ``live(*arguments)``, and writes the child's pid and its end.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Self

__all__ = ["Nursery"]

_ROOT = Path(__file__).parents[2]


class Nursery:
    """Starts children that run ``live(*arguments)`` of a module, one at a time.

    Args:
        module: Name of the module; its ``live`` is an async function of texts.
        log: Where its standard error goes.
    """

    def __init__(self, module: str, log: Path) -> None:
        self._module = module
        self._log = log
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.support.nursery", self._module),
                cwd=_ROOT,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        process = self._of()
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()

    async def bear(self, *arguments: str) -> int:
        """Start a child and return its pid."""
        stdin = self._of().stdin
        assert stdin is not None
        stdin.write(json.dumps(arguments).encode() + b"\n")
        await stdin.drain()
        return int(await self._line())

    async def ended(self) -> int:
        """Wait for the child's end and return its exit code, negative for a signal."""
        return int(await self._line())

    def said(self) -> str:
        """Return the end of what its children wrote to their standard error."""
        return self._log.read_text()[-2000:]

    def _of(self) -> Process:
        assert self._process is not None, "the nursery is not open"
        return self._process

    async def _line(self) -> bytes:
        stdout = self._of().stdout
        assert stdout is not None
        line = await stdout.readline()
        assert line, f"the nursery ended: {self.said()}"
        return line


def main() -> None:
    """Fork a child a line until the input ends."""
    module = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if not child:
            # It must not read what is meant for its parent.
            os.close(0)
            asyncio.run(module.live(*json.loads(line)))
            os._exit(0)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
