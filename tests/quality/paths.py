"""Where the checked files are, so that every check looks at the same set."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "aiojobs_redis"
LUA = PACKAGE / "_redis" / "lua"


def lines_of(path: Path) -> int:
    """Count the lines of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def python_files() -> list[Path]:
    """Return the Python files of the package."""
    return sorted(PACKAGE.rglob("*.py"))


def lua_scripts() -> list[Path]:
    """Return the Lua operations, without the includes."""
    return sorted(path for path in LUA.rglob("*.lua") if path.parent.name != "include")


def lua_includes() -> list[Path]:
    """Return the Lua texts that operations take in."""
    return sorted(path for path in LUA.rglob("*.lua") if path.parent.name == "include")
