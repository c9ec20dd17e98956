"""Faults in what jobs report: progress, log, steps, calls made once, and what is kept of them."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

SPEAKING, STEPS, ONCE, CHILD, EXECUTOR = (
    f"../worker/{name}.py" for name in ("speaking", "steps", "once", "child", "executor")
)
_STEPS = ("tests/redis/worker/test_steps.py",)
_ONCE = ("tests/redis/worker/test_once.py",)
_PROCESSES = ("tests/redis/worker/test_reporting_processes.py",)

MUTANTS = (
    Mutant(
        "what is said after the attempt is sent",
        SPEAKING,
        '        """Note an entry of the log."""\n        self.check()\n',
        "",
        first=("tests/unit/test_speaking.py",),
    ),
    Mutant(
        "a step runs before it is known whether it can be recorded",
        STEPS,
        "        returns = result_of",
        "        early = known or function(*args, **kwargs)\n        returns = result_of",
        first=_STEPS,
    ),
    Mutant(
        "a call that is left while it is recorded is free",
        ONCE,
        "        await asyncio.shield(ending)\n",
        "        await ending\n",
        first=_ONCE,
    ),
    Mutant(
        "the state of a job in a process that has returned is lost",
        CHILD,
        "Ended(verdict, attempt.notes.last_state())",
        'Ended(verdict, attempt.notes.last_state() if verdict.code != "c" else None)',
        first=_PROCESSES,
    ),
    Mutant(
        "a stop throws away how an attempt ended",
        EXECUTOR,
        "    if run.ending is not None:\n        return run.ending\n",
        "",
        first=("tests/redis/worker/test_outage.py",),
    ),
)
