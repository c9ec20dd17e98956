"""Which global names a Lua 5.1 script reads and writes, taken from its compiled form.

The compiler has already decided what is local, so nothing is guessed from the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lupa import lua51

if TYPE_CHECKING:
    from collections.abc import Iterator

GETGLOBAL, SETGLOBAL = 5, 7
COMPILE = b"""function(text, name)
  local compiled, why = loadstring(text, name)
  return compiled and string.dump(compiled), why
end"""


@dataclass(frozen=True, slots=True)
class GlobalUse:
    """One instruction that touches a global name."""

    line: int
    name: str
    written: bool


class Reader:
    """Reads the fields of a compiled chunk in their order; widths come from its header."""

    def __init__(self, chunk: bytes) -> None:
        if chunk[:5] != b"\x1bLua\x51":
            raise ValueError(f"not a Lua 5.1 chunk: {chunk[:5]!r}")
        self._chunk = chunk
        self._order = "<" if chunk[6] else ">"
        self._int, self._size, self._instruction, self._number = chunk[7:11]
        self._at = 12

    def _take(self, count: int) -> bytes:
        piece = self._chunk[self._at : self._at + count]
        self._at += count
        return piece

    def _unsigned(self, width: int) -> int:
        return int.from_bytes(self._take(width), "little" if self._order == "<" else "big")

    def _string(self) -> str:
        # The length counts a closing zero; 0 stands for no string at all.
        return self._take(self._unsigned(self._size))[:-1].decode("utf-8", "replace")

    def _constant(self) -> str | None:
        kind = self._unsigned(1)
        if kind == 4:
            return self._string()
        self._take({0: 0, 1: 1, 3: self._number}[kind])
        return None

    def function(self) -> Iterator[GlobalUse]:
        """Yield the global uses of a function and of those defined in it."""
        self._string()  # source
        self._take(2 * self._int + 4)  # first and last line; upvalues, parameters, vararg, stack
        code = [self._unsigned(self._instruction) for _ in range(self._unsigned(self._int))]
        constants = [self._constant() for _ in range(self._unsigned(self._int))]
        inner = [use for _ in range(self._unsigned(self._int)) for use in self.function()]
        lines = [self._unsigned(self._int) for _ in range(self._unsigned(self._int))]
        for _ in range(self._unsigned(self._int)):  # local names
            self._string()
            self._take(2 * self._int)
        for _ in range(self._unsigned(self._int)):  # upvalue names
            self._string()
        for line, instruction in zip(lines, code, strict=True):
            operation = instruction & 0x3F
            if operation in (GETGLOBAL, SETGLOBAL):
                name = constants[instruction >> 14]
                yield GlobalUse(line, str(name), written=operation == SETGLOBAL)
        yield from inner


def global_uses(text: str, name: str) -> list[GlobalUse]:
    """Compile a script as Lua 5.1 does and list its uses of globals.

    Args:
        text: The script.
        name: What messages call it.

    Raises:
        SyntaxError: The text does not compile; the message is the compiler's.
    """
    lua = lua51.LuaRuntime(encoding=None)
    compiled = lua.eval(COMPILE)(text.encode(), f"={name}".encode())
    chunk, why = compiled if isinstance(compiled, tuple) else (compiled, None)
    if chunk is None:
        raise SyntaxError(why.decode() if why else f"{name} does not compile")
    return sorted(Reader(chunk).function(), key=lambda use: use.line)
