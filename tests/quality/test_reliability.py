"""The page of the fault tests says what was measured."""

from __future__ import annotations

from tests.quality.reliability import PAGE, latest, page
from tests.quality.rows import covered


def test_the_table_is_that_of_the_figures() -> None:
    text = PAGE.read_text(encoding="utf-8")

    current = page(text) == text
    assert current, "docs/reliability.md is old: run python -m tests.quality.reliability"


def test_each_figure_is_of_a_row_that_has_a_test() -> None:
    measured = [line["row"] for line in latest()]

    assert measured
    assert set(measured) <= covered().keys()


def test_nothing_was_lost_and_nothing_ran_again_without_a_cause() -> None:
    assert {(line["lost"], line["uncaused"]) for line in latest()} == {(0, 0)}
