"""The question before something is removed: who is asked, where, and what an answer does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from aiojobs_redis import Counts
from tests.cli.conftest import App
from tests.support.terminal import Terminal

# Each command that asks, and its question; the application has two dead letters.
QUESTIONS = {
    ("queue", "drain"): "Remove 1 waiting job of queue {name}?",
    ("queue", "promote"): "Promote 1 job of queue {name} that wait for their time?",
    ("queue", "clean", "--state", "dead"): "Remove 2 dead jobs of queue {name}?",
    ("queue", "clean", "--state", "dead", "--limit", "1"): "Remove 1 dead job of queue {name}?",
    ("queue", "clean", "--state", "dead", "--error", "KeyError"): (
        "Remove what the options leave of the 2 dead jobs of queue {name}?"
    ),
    ("queue", "destroy", "--force"): "Delete queue {name} with 4 jobs and 1 schedule?",
    ("dead", "replay", "--all"): "Replay 2 dead letters of queue {name}?",
    ("dead", "remove", "--all"): "Remove 2 dead letters of queue {name}?",
    ("dead", "remove", "lost-0"): "Remove 1 dead letter of queue {name}?",
    ("job", "remove", "lost-0", "lost-1"): "Remove 2 jobs, with result, errors and log?",
    ("cron", "rm", "nightly"): "Remove schedule 'nightly' of queue {name}",
}


@pytest.fixture
def filled(app: App) -> App:
    """Two dead letters, one queued job, one that is scheduled."""
    app.do(lambda queue: queue.enqueue("stumble", id="lost-0"))
    app.do(lambda queue: queue.enqueue("stumble", id="lost-1"))
    app.work()
    app.do(lambda queue: queue.enqueue("add", 1, id="next"))
    app.do(lambda queue: queue.enqueue("add", 1, id="later", delay=600))
    return app


def counts(app: App) -> Counts:
    return app.do(lambda queue: queue.counts())


@pytest.mark.parametrize("words", QUESTIONS, ids=" ".join)
def test_each_command_that_removes_asks_with_a_number_and_takes_no_for_an_answer(
    filled: App, words: tuple[str, ...]
) -> None:
    args = (*words[:2], "APP", *words[2:])

    denied = filled.run(*args, text="n\n")
    nobody = filled.run(*args, text="")

    assert QUESTIONS[words].format(name=filled.name) in denied.stderr
    assert (denied.exit_code, denied.stdout) == (1, "")
    assert "Error: nothing was done." in denied.stderr
    assert (nobody.exit_code, nobody.stdout) == (1, "")
    assert "nobody answered, so nothing was done: --yes leaves the question out." in nobody.stderr
    after = counts(filled)
    assert (after.dead, after.queued, after.scheduled) == (2, 1, 1)


def test_the_output_of_a_command_that_asks_is_its_result_alone(filled: App) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "aiojobs_redis", "dead", "replay", filled.ref, "--all"],
        cwd=filled.folder,
        input="y\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert result.stdout == "2 replayed\n"
    assert "Replay 2 dead letters" in result.stderr


def test_ctrl_c_at_the_question_ends_the_command_at_once(filled: App) -> None:
    with Terminal(filled.folder, "dead", "replay", filled.ref, "--all") as terminal:
        terminal.wait_for("[y/N]:")
        assert terminal.interrupt() == 1

    assert "Aborted!" in terminal.text
    assert counts(filled).dead == 2
