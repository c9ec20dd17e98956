"""The list of planted faults fits the code, and what finds them is not asked in vain."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.mutations.__main__ import ALL, PAGE, known, render
from tests.mutations.mutant import Mutant
from tests.quality.paths import PACKAGE


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.fault)
def test_each_fault_can_be_planted(mutant: Mutant, tmp_path: Path) -> None:
    file = (tmp_path / "_redis" / mutant.path).resolve()
    (tmp_path / "_redis").mkdir()
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(PACKAGE / "_redis" / mutant.path, file)
    before = file.read_text()
    mutant.plant(tmp_path)

    assert file.read_text() != before


def test_a_text_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "_redis").mkdir()
    (tmp_path / "_redis" / "x.lua").write_text("a a")

    with pytest.raises(ValueError, match="2 times"):
        Mutant("x", "x.lua", "a", "b").plant(tmp_path)


def test_the_committed_page_names_a_check_that_finds_each_fault() -> None:
    found = known()

    assert [each.fault for each in ALL if not found.get(each)] == []
    assert render(found) == PAGE.read_text(encoding="utf-8")
