"""The page about the model names the invariants that there are."""

from __future__ import annotations

import re

from tests.model.real import Real
from tests.model.steps import STEP_CHECKS, History
from tests.quality.paths import ROOT
from tests.support.invariants import CHECKS

PAGE = ROOT / "docs" / "internals" / "model.md"


def test_the_table_of_invariants_names_every_check_and_no_other() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("## Invariants")[2]
    rows = [line.split("|")[3] for line in table.splitlines() if re.match(r"\| I\d+ ", line)]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    of_runs = {name.removeprefix("_") for name in vars(History) if name.startswith("_")}

    assert {check.__name__ for check in (*CHECKS, *STEP_CHECKS)} <= named
    others = named - {check.__name__ for check in (*CHECKS, *STEP_CHECKS)}
    assert others <= of_runs | {Real.meets_a_foreign_key.__name__}
