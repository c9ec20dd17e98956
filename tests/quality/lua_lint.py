"""Checks the Lua scripts as Redis gets them, with their includes in place.

Syntax and globals are always checked, by the Lua 5.1 compiler; `luacheck` adds its rules where it
is on PATH. Run it with `python -m tests.quality.lua_lint`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from aiojobs_redis._redis.splice import source
from tests.quality.lua_bytecode import global_uses
from tests.quality.paths import lua_includes, lua_scripts

if TYPE_CHECKING:
    from pathlib import Path

# What Redis offers to a script, less what differs between servers (bit, cmsgpack, struct).
GLOBALS = frozenset({"ARGV", "KEYS", "cjson", "redis"})
STANDARD = frozenset(
    {
        "assert", "error", "ipairs", "math", "next", "pairs", "pcall", "select", "setmetatable",
        "string", "table", "tonumber", "tostring", "type", "unpack",
    }
)  # fmt: skip
# Shadowing: an include names its parameters without knowing what the script has bound.
IGNORED = "43"
UNUSED = re.compile(r"\(W2[1-4]\d\) .*'(?P<name>\w+)'")
LOCAL = re.compile(r"\blocal\s+(?:function\s+)?(?P<names>\w+(?:\s*,\s*\w+)*)")


def spliced(path: Path) -> str:
    """Return a script with its includes, the `#!lua` line blanked so that line numbers stay."""
    text = source(path.stem)
    return "--" + text[text.index("\n") :] if text.startswith("#!") else text


def compiler_problems(path: Path) -> list[str]:
    """Report what does not compile and every global that a script must not touch."""
    try:
        uses = global_uses(spliced(path), path.name)
    except SyntaxError as error:
        return [str(error)]
    return [
        f"{path.name}:{use.line}: {'sets' if use.written else 'reads'} the global '{use.name}'"
        for use in uses
        if use.written or use.name not in GLOBALS | STANDARD
    ]


def included_names() -> set[str]:
    """Return the names that includes define; a script need not use all that it takes in."""
    texts = [path.read_text(encoding="utf-8") for path in lua_includes()]
    found = [m["names"] for text in texts for m in LOCAL.finditer(text)]
    return {name.strip() for names in found for name in names.split(",")}


def luacheck_problems(path: Path, luacheck: str) -> list[str]:
    """Report what luacheck finds, unused parts of includes apart."""
    command = [
        luacheck,
        "-",
        "--formatter=plain",
        "--codes",
        "--std=lua51",
        f"--filename={path.name}",
    ]
    command += ["--no-max-line-length", f"--ignore={IGNORED}", "--read-globals", *sorted(GLOBALS)]
    result = subprocess.run(
        command, input=spliced(path), capture_output=True, text=True, check=False
    )
    taken_in = included_names()
    # One that is made of another leaves out what that one does with its names.
    made = "--@plain " in path.read_text(encoding="utf-8")
    lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    unused = {line: UNUSED.search(line) for line in lines}
    return [line for line, m in unused.items() if m is None or not (made or m["name"] in taken_in)]


def problems() -> list[str]:
    """Return one line for each fault of the Lua scripts."""
    luacheck = shutil.which("luacheck")
    found: list[str] = []
    for path in lua_scripts():
        found += compiler_problems(path)
        if luacheck:
            found += luacheck_problems(path, luacheck)
    return found


def main() -> int:
    """Print the faults; the exit code is 1 when there are any."""
    found = problems()
    for line in found:
        print(line)
    with_luacheck = "with" if shutil.which("luacheck") else "without"
    print(f"{len(lua_scripts())} Lua scripts, {len(found)} faults ({with_luacheck} luacheck)")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
