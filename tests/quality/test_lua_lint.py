"""The Lua scripts compile, keep their names local, and the check itself finds what it is for."""

from __future__ import annotations

import pytest

from tests.quality.lua_bytecode import global_uses
from tests.quality.lua_lint import problems


def test_the_scripts_have_no_faults() -> None:
    assert problems() == []


def test_a_forgotten_local_is_found_with_its_line() -> None:
    uses = global_uses("local a = 1\nlocal function f()\n  b = a\nend\nreturn f", "x")

    assert [(use.line, use.name, use.written) for use in uses] == [(3, "b", True)]


def test_a_script_that_does_not_compile_is_refused() -> None:
    with pytest.raises(SyntaxError, match=r"x:1: "):
        global_uses("local = 1", "x")
