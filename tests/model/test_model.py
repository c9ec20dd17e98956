"""The scripts do what the reference says, in any order of calls."""

from __future__ import annotations

import asyncio
import os
import random

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.situations import get_into_each, machine_for
from tests.support.other_clock import clocked_scripts

# Runs and steps a run. T1 is for every commit; the others are run by `poe model`.
TIERS = {"T0": (300, 50), "T1": (80, 50), "T2": (1_500, 100), "T3": (5_000, 200)}
TIER = os.environ.get("AIOJOBS_REDIS_MODEL", "T1")
# For every commit the same runs each time, and others on each server.
SEEDS = {"valkey": 10, "redis": 75}
# A failure that is only counted, as that of a mutant, need not be made readable.
PHASES = [Phase.generate, Phase.shrink] if TIER > "T0" else [Phase.generate]

# What a run has to come across: without it, the comparison would say little.
REACHED = {
    *("exchange OK", "exchange AGAIN", "exchange EARLY", "exchange STALE"),
    *(
        "enqueue OK",
        "enqueue STALE",
        "enqueue FULL",
        "over the rate",
        *("a line is full for enqueue", "a line is full for enqueue_flow"),
        "enqueue_one OK",
        "an old token",
        "all accepted",
    ),
    *("claimed after 0 lost leases", "claimed after 1 lost leases"),
    *("claimed after 2 lost leases", "a suspect", "running to running"),
    *("error E", "error cancelled", "error expired", "error lease_expired", "error abandoned"),
    *("running to completed", "running to retrying", "running to dead", "running to cancelled"),
    *("running to scheduled", "running to blocked", "running to queued", "blocked to running"),
    *("scheduled to queued", "retrying to queued", "queued to cancelled", "dead to queued"),
    *("gone from completed by sweep", "gone from cancelled by sweep", "gone from dead by sweep"),
    *("gone from queued by remove", "gone from completed by remove"),
    *("enqueue_flow OK", "enqueue_flow STALE", "enqueue_flow FULL", "enqueue_flow MISSING"),
    *(
        "error parent_failed",
        "error wait_refused",
        "blocked to dead",
        "blocked to cancelled",
        "blocked to queued",
    ),
    *("blocked to scheduled", "dead to blocked", "cancelled to queued", "completed to queued"),
    *("repair of a lease", "queued to blocked", "running to blocked"),
    *("one replaced another", "one waits for another", "a follower goes on by exchange"),
    *("a follower goes on by cancel", "a follower goes on by free"),
    *("kept out by a unique key", "replay refused", "free 0", "free 1"),
    *("detach B", "detach Q", "detach -", "prune B"),
    *("notes of an old token", "notes taken", "claimed with something left"),
    *("once OWN", "once DONE", "once WAIT", "once LOST", "once ended 0", "once ended 1"),
    *("fire made 1", "fire made 2", "fire made 0", "fire made -1"),
    *("took the turn of another", "took the slot of another"),
    *("in front, queued to running", "in front, running to queued", "in front from scheduled"),
}


def first_seed(usual: int) -> int:
    """Return the seed that was asked for, or the usual one of a commit, or any."""
    any_one = usual if TIER < "T2" else random.randrange(2**32)
    return int(os.environ.get("AIOJOBS_REDIS_MODEL_SEED") or any_one)


@pytest.mark.behaviour("F16", "F19", "F20", "F26", "F33", "F35")
@pytest.mark.slow
@pytest.mark.timeout(0)
def test_the_scripts_do_what_the_reference_says(
    debug_url: str, request: pytest.FixtureRequest
) -> None:
    examples, steps = TIERS[TIER]
    number = first_seed(SEEDS.get(request.node.callspec.params["debug_url"], 1))
    print(f"tier {TIER}, {examples} runs of {steps} steps, AIOJOBS_REDIS_MODEL_SEED={number}")
    with asyncio.Runner() as runner, clocked_scripts():
        machine = machine_for(debug_url, runner)
        get_into_each(machine)
        # Which kinds of things a seed comes across depends on the Python: what is missing is looked
        # for with others.
        for more in range(12):
            run_state_machine_as_test(
                seed(number + more)(machine),
                settings=settings(
                    max_examples=examples if more == 0 else examples // 3,
                    stateful_step_count=steps,
                    deadline=None,
                    database=None,
                    phases=PHASES,
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            if TIER < "T1" or machine.seen.keys() >= REACHED:
                break

    assert TIER < "T1" or REACHED - machine.seen.keys() == set()
