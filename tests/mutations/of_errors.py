"""Faults in how errors of jobs are told, which every run needs to end."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

__all__ = ["MUTANTS"]

PRINTING, STARTER, WATCH = "../printing.py", "../worker/starter.py", "../worker/watch.py"
PRINTED = ("tests/unit/test_printing.py",)
HEARTBEAT = "../worker/heartbeat.py"
BLOCKED = ("tests/redis/worker/test_heartbeat.py",)
BATCHES = "../worker/batches.py"
SHARED = ("tests/redis/worker/test_batches.py", "-k", "briefly or generator_exit")
RUN = ("tests/redis/worker/test_exceptions.py", "-k", "outcome_that_fails or thrown_away")
CHILD, LOOP = "../worker/child.py", "../worker/loop.py"
LOGGED = ("tests/quality/test_texts.py", "-k", "logged")

MUTANTS = (
    Mutant(
        "an error that Python cannot print is not told",
        PRINTING,
        "except BaseException:  # noqa: S110 - told in other words below",
        "except KeyboardInterrupt:",
        first=PRINTED,
    ),
    Mutant(
        "a traceback is told however long it is",
        PRINTING,
        "if len(steps) <= _MOST_FRAMES:",
        "if steps:",
        first=PRINTED,
    ),
    Mutant(
        "an outcome that cannot be told leaves its run in its slot",
        STARTER,
        "with contextlib.suppress(BaseException):",
        "with contextlib.suppress(MemoryError):",
        first=RUN,
    ),
    Mutant(
        "a run whose asyncio task is gone stays in its slot",
        WATCH,
        "if run.fallen:",
        "if run.fallen and run.done:",
        first=RUN,
    ),
    Mutant(
        "the error of a batch gets frames of each of its jobs",
        BATCHES,
        "raise self.error.with_traceback(self.trace)",
        "raise self.error",
        first=SHARED,
    ),
    Mutant(
        "a batch that raises GeneratorExit tells nobody",
        BATCHES,
        "GeneratorExit) and batch.is_closed",
        "GeneratorExit)",
        first=SHARED,
    ),
    Mutant(
        "the thread that renews leases ends with an error",
        HEARTBEAT,
        "except BaseException as error:",
        "except MemoryError as error:",
        first=BLOCKED,
    ),
    Mutant(
        "a child process ends with an error that cannot be printed",
        CHILD,
        "printed(error, error.__traceback__)",
        '"".join(__import__("traceback").format_exception(error))',
        first=LOGGED,
    ),
    Mutant(
        "a loop ends with an error that cannot be printed",
        LOOP,
        'log_error(_log, error, "cannot %s; trying again", self._what)',
        '_log.exception("cannot %s; trying again", self._what)',
        first=LOGGED,
    ),
)
