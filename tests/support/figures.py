"""What the fault tests measured, one JSON line each in the file that the environment names.

Without ``AIOJOBS_REDIS_FIGURES`` nothing is written. ``python -m tests.quality.reliability`` makes
the table of ``docs/reliability.md`` of the file ``docs/reliability/figures.jsonl``.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from tests.support.tiers import TIERS

__all__ = ["VARIABLE", "record"]

VARIABLE = "AIOJOBS_REDIS_FIGURES"


def record(
    row: str,
    *,
    n: int,
    lost: int = 0,
    caused: int = 0,
    uncaused: int = 0,
    recovery: Sequence[float] = (),
    tier: str = "ci",
    note: str = "",
) -> None:
    """Append what one run of a fault test measured.

    Args:
        row: The row of the requirements, like ``F1``.
        n: How often it was tried, or over how many jobs: the size of the row.
        lost: Jobs that were acknowledged and vanished.
        caused: Executions beyond the first that have a cause: a lease that ran out, a retry.
        uncaused: Executions beyond the first that have none.
        recovery: Seconds from each fault to the moment at which it was over.
        tier: Which size this was: ``ci``, ``whole`` or ``soak``; see `tests.support.tiers`.
        note: What else the row promises, as it was measured.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        return
    line = {
        "row": row,
        "test": _current_test(),
        "n": n,
        "lost": lost,
        "caused": caused,
        "uncaused": uncaused,
        "recovery_p50": round(statistics.median(recovery), 3) if recovery else None,
        "recovery_max": round(max(recovery), 3) if recovery else None,
        "tier": tier,
        "note": note,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _current_test() -> str:
    """Return the name of the running test with what it is run on, but for its size."""
    name, _, parameters = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].partition("[")
    others = [part for part in parameters.partition("]")[0].split("-") if part not in TIERS]
    return "-".join([name.split(" ")[0], *filter(None, others)])
