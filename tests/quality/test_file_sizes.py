"""Files stay small enough to be read in one sitting; no file has a limit of its own."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from tests.quality.paths import ROOT, lines_of, lua_includes, lua_scripts, python_files

PYTHON_MAX, PYTHON_MEDIAN = 500, 150
LUA_MAX, LUA_MEDIAN = 100, 40


def over(paths: list[Path], limit: int) -> dict[str, int]:
    sizes = {str(path.relative_to(ROOT)): lines_of(path) for path in paths}
    return {path: lines for path, lines in sizes.items() if lines > limit}


def test_no_python_file_is_over_its_limit() -> None:
    assert over(python_files(), PYTHON_MAX) == {}


def test_no_test_or_benchmark_is_over_the_limit() -> None:
    paths = [path for folder in ("tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")]

    assert over(sorted(paths), PYTHON_MAX) == {}


def test_the_median_python_file_is_short() -> None:
    assert median(lines_of(path) for path in python_files()) <= PYTHON_MEDIAN


def test_no_lua_file_is_over_its_limit() -> None:
    assert over(lua_scripts() + lua_includes(), LUA_MAX) == {}


def test_the_median_lua_file_is_short() -> None:
    assert median(lines_of(path) for path in lua_scripts() + lua_includes()) <= LUA_MEDIAN
