"""docs/guarantees.md says what the code says, and its SQL does what it says, on real databases."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aiojobs_redis.cli.semantics import ROWS
from tests.docs.pages import DOCS, pages
from tests.support.postgres import find_postgres, postgres_server
from tests.support.waiting import wait_until

PAGE = (DOCS / "guarantees.md").read_text(encoding="utf-8")
TABLES, ONCE, NOT_STALE = re.findall(r"^```sql\n(.*?)^```$", PAGE, re.M | re.S)
PROGRAMS = find_postgres()

Connect = Callable[[], Any]


def test_the_matrix_is_that_of_doctor() -> None:
    _, _, rest = PAGE.partition("\n## The matrix\n")
    lines = [line for line in rest.partition("\n## ")[0].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]

    assert cells == [[name, *row] for name, row in ROWS.items()]


def test_nothing_is_promised_exactly_once_without_a_condition() -> None:
    found = [
        (page.name, line)
        for page in pages()
        if page.name != "requirements.md"
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.search("exactly.once", line, re.I)
    ]

    assert found
    for page, line in found:
        sentence = next(part for part in re.split(r"(?<=\.) ", line) if "xactly" in part)
        assert re.search(r"\bonly\b", sentence), (page, sentence)


def test_the_example_has_the_statements_of_the_page() -> None:
    example = (DOCS / "examples" / "fenced_sqlite.py").read_text(encoding="utf-8")

    assert ONCE in example
    assert NOT_STALE in example
    for table in ("done_jobs", "fences"):
        assert re.search(rf"CREATE TABLE {table} \(", TABLES)
        assert re.search(rf"CREATE TABLE {table} \(", example)


# The statements


class Psycopg:
    """A connection of psycopg with the interface of sqlite3, as far as the tests need it."""

    def __init__(self, address: str) -> None:
        self.connection = psycopg.connect(address)

    def execute(self, statement: str, values: dict[str, Any] | None = None) -> Any:
        return self.connection.execute(re.sub(r":(\w+)", r"%(\1)s", statement).encode(), values)

    def commit(self) -> None:
        self.connection.commit()

    def rollback(self) -> None:
        self.connection.rollback()

    def close(self) -> None:
        self.connection.close()


@pytest.fixture(scope="module", params=["sqlite", *["postgresql"] * (PROGRAMS is not None)])
def connect(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connect]:
    """Connects to a database of each kind in turn, which has the tables of the page."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("fence") / "db"
        yield made(lambda: sqlite3.connect(path, timeout=10, check_same_thread=False))
        return
    assert PROGRAMS is not None
    with postgres_server(PROGRAMS) as address:
        yield made(lambda: Psycopg(address))


def made(connect: Connect) -> Connect:
    db = connect()
    for statement in TABLES.split(";\n"):
        if statement.strip():
            db.execute(statement)
    db.execute("CREATE TABLE effects (job TEXT, attempt INTEGER)")
    db.commit()
    db.close()
    return connect


def effects(connect: Connect, job: str) -> list[int]:
    db = connect()
    rows = db.execute("SELECT attempt FROM effects WHERE job = :job", {"job": job}).fetchall()
    db.close()
    return [attempt for (attempt,) in rows]


def have_effect(db: Any, job: str, attempt: int) -> bool:
    """Do the work of an attempt, without the commit."""
    if not db.execute(ONCE, {"queue": "q", "job": job}).rowcount:
        return False
    db.execute("INSERT INTO effects VALUES (:job, :attempt)", {"job": job, "attempt": attempt})
    return True


def test_a_job_that_runs_again_has_its_effect_once(connect: Connect) -> None:
    for attempt in (1, 2, 3):
        db = connect()
        assert have_effect(db, "again", attempt) is (attempt == 1)
        db.commit()
        db.close()
    assert effects(connect, "again") == [1]


def test_an_attempt_that_died_before_its_commit_has_no_effect(connect: Connect) -> None:
    db = connect()
    assert have_effect(db, "died", 1)
    db.close()  # without a commit
    db = connect()
    assert have_effect(db, "died", 2)
    db.commit()
    db.close()
    assert effects(connect, "died") == [2]


@pytest.mark.parametrize("first", ["commits", "fails"])
async def test_of_two_attempts_at_a_time_one_has_its_effect(connect: Connect, first: str) -> None:
    job = f"both-{first}"
    outcome: list[bool] = []

    def second() -> None:
        db = connect()
        outcome.append(have_effect(db, job, 2))
        db.commit()
        db.close()

    db = connect()
    assert have_effect(db, job, 1)
    thread = threading.Thread(target=second)
    thread.start()
    assert not outcome
    if first == "commits":
        db.commit()
    else:
        db.rollback()
    db.close()
    await wait_until(lambda: outcome, "the second attempt to go on", timeout=15)
    thread.join()
    assert outcome == [first == "fails"]
    assert effects(connect, job) == [1 if first == "commits" else 2]


def test_a_stale_attempt_changes_no_row(connect: Connect) -> None:
    db = connect()
    accepted = [
        bool(db.execute(NOT_STALE, {"resource": "r", "fence": fence}).rowcount)
        for fence in (41, 42, 42, 41, 7, 2**53, 43)
    ]
    db.commit()
    rows = db.execute("SELECT fence FROM fences WHERE resource = 'r'").fetchall()
    db.close()

    assert accepted == [True, True, True, False, False, True, False]
    assert [tuple(row) for row in rows] == [(2**53,)]


def test_the_runbook_moves_the_fence_as_the_test_of_a_restore_does() -> None:
    page = (DOCS / "backup.md").read_text(encoding="utf-8")
    test = (Path(__file__).parents[1] / "faults" / "test_restore.py").read_text(encoding="utf-8")
    (amount,) = re.findall(r"HINCRBY 'ajr:\{emails\}:meta' fence (\d+)", page)

    assert f"AHEAD = {int(amount):_}" in test
    assert '"fence", AHEAD' in test
