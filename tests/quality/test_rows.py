"""The page of covered rows says what the marks of the tests say."""

from __future__ import annotations

import ast

from tests.quality.rows import GROUPS, PAGE, covered, marked, render, titles

MODULE = """
pytestmark = [pytest.mark.slow, pytest.mark.requirement("U1")]

@pytest.mark.requirement("U2")
@pytest.mark.behaviour("T01", "T02")
async def test_one(): ...

@pytest.mark.requirement("B1")
class TestAll:
    def test_two(self): ...

def helper(): ...
"""


def test_the_committed_page_is_current() -> None:
    current = PAGE.read_text(encoding="utf-8") == render(covered())

    assert current, "docs/requirements.md is old: run python -m tests.quality.rows"


def test_marks_name_rows_that_exist() -> None:
    assert set(covered()) - set(titles()) == set()


def test_every_row_belongs_to_a_group() -> None:
    assert {row[0] for row in titles()} == set(GROUPS)


def test_marks_of_functions_classes_and_modules_are_found() -> None:
    assert list(marked(ast.parse(MODULE))) == [
        ("test_one", "T01"),
        ("test_one", "T02"),
        ("test_one", "U1"),
        ("test_one", "U2"),
        ("test_two", "B1"),
        ("test_two", "U1"),
    ]
