"""Two queues whose jobs wait for each other tell each other all, whatever is lost on the way."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.neighbours import neighbours_for
from tests.model.test_model import PHASES, TIER, first_seed
from tests.support.other_clock import clocked_scripts

TIERS = {"T0": (40, 25), "T1": (40, 25), "T2": (1_000, 50), "T3": (5_000, 80)}
REACHED = {
    *("settled", "all gone", "gate c", "gate g", "job c", "job d", "job x", "job g"),
    *("child completed", "child dead", "child cancelled"),
    "a job named some of the other queue",
    *("a job forgot one of the other queue", "one of the other queue was left for nobody"),
    "one of the other queue was cancelled for a job",
    *("told of a job that was added after a child had died", "told of the job before"),
    *("a circle of 2 was ended", "a circle of 3 was ended", "the wait for a job before was broken"),
}
SEEN = {
    *("told too late", "told in vain", "told c after q", "told d after q"),
    *("handed over a gate", "a gate opened", "a gate stayed shut", "expected w", "expected q"),
    *("handed over c", "handed over d"),
}


@pytest.mark.requirement("B14")
@pytest.mark.slow
@pytest.mark.timeout(0)
def test_two_queues_whose_jobs_wait_for_each_other_keep_nobody_waiting(debug_url: str) -> None:
    examples, steps = TIERS[TIER]
    number = first_seed(17)
    print(f"tier {TIER}, {examples} runs of {steps} steps, AIOJOBS_REDIS_MODEL_SEED={number}")
    with asyncio.Runner() as runner, clocked_scripts():
        machine = neighbours_for(debug_url, runner)
        for more in range(5):
            run_state_machine_as_test(
                seed(number + more)(machine),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    deadline=None,
                    database=None,
                    phases=PHASES,
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            if machine.happened.keys() >= REACHED and machine.seen.keys() >= SEEN:
                break

    assert TIER < "T1" or REACHED - machine.happened.keys() == set()
    assert TIER < "T1" or SEEN - machine.seen.keys() == set()
