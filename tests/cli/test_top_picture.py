"""What of the picture of `top` has a place on a terminal of some size."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from aiojobs_redis.cli.top_picture import Rows, tables
from aiojobs_redis.cli.top_view import JOB, QUEUE, WORKER

ID = "01M8BZQQT76S2G4H729DBT1WVD"


def rows(queues: int = 1, workers: int = 1, jobs: int = 20, running: int = 1000) -> Rows:
    return Rows(
        [[f"queue-{n}", *["0"] * (len(QUEUE) - 2), "no"] for n in range(queues)],
        [[f"worker-{n}", *["1"] * (len(WORKER) - 1)] for n in range(workers)],
        [[ID, "a_task_with_a_name_of_some_length", *["x"] * (len(JOB) - 2)] for _ in range(jobs)],
        running,
    )


def drawn(shown: Rows, width: int, height: int) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width, height=height)
    for part in tables(shown, width, height):
        console.print(part)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("height", [20, 24, 40, 60])
def test_what_does_not_fit_in_height_is_counted(height: int) -> None:
    lines = drawn(rows(), 160, height)

    shown = sum(ID in line for line in lines)
    assert len(lines) <= height
    assert 1 <= shown <= 20
    assert f" and {1000 - shown} more" in lines


def test_many_queues_and_workers_leave_a_place_for_what_runs() -> None:
    lines = drawn(rows(queues=50, workers=30), 160, 40)

    text = "\n".join(lines)
    assert len(lines) <= 40
    assert "queue-0" in text
    assert "worker-0" in text
    assert ID in text
    assert sum(line.startswith(" and ") for line in lines) == 3


def test_a_narrow_terminal_keeps_ids_whole_and_leaves_columns_out() -> None:
    lines = drawn(rows(), 60, 40)

    assert all(len(line) <= 60 for line in lines)
    assert any(ID in line for line in lines)
    assert not any("…" in line for line in lines if "job" in line or "queue" in line)
    assert any("a_task_with…" in line or "a_task_with_" in line for line in lines)


def test_a_wide_terminal_shows_every_column() -> None:
    text = "\n".join(drawn(rows(), 200, 40))

    for column in {*QUEUE, *WORKER, *JOB}:
        assert column in text


def test_nothing_to_show_is_said() -> None:
    lines = drawn(rows(queues=1, workers=0, jobs=0, running=0), 80, 24)

    assert "no worker was seen in the last minute" in lines
    assert "nothing runs" in lines
    assert not any(line.startswith(" and ") for line in lines)
