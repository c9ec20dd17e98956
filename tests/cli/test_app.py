"""What APP may be, and what is said of one that cannot be loaded."""

from __future__ import annotations

import sys

import pytest

from tests.cli.conftest import App


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("app", "APP must be module:queue, got 'app'"),
        (":queue", "APP must be module:queue"),
        ("nowhere:queue", "there is no module 'nowhere' in "),
        ("nowhere.inner:queue", "there is no module 'nowhere' in "),
        ("./shop:queue", "APP takes a module, not a path, got './shop:queue': write shop:queue."),
        (".shop:queue", "write shop:queue."),
        ("shop.py:queue", "write shop:queue."),
        ("shop/jobs.py:queue", "write shop.jobs:queue."),
        ("shop/../shop/jobs:queue", "write shop.jobs:queue."),
        ("{here}/shop/jobs.py:queue", "write shop.jobs:queue."),
        ("../shop:queue", "run the command in {above}, with shop:queue."),
        ("/srv/shop.py:queue", "run the command in /srv, with shop:queue."),
    ],
)
def test_a_bad_app_is_named_with_the_next_step(app: App, ref: str, said: str) -> None:
    (app.folder / "shop.py").touch()
    places = {"here": app.folder, "above": app.folder.parent}

    result = app.run("stats", ref.format(**places))

    assert result.exit_code == 2
    assert said.format(**places) in result.stderr


@pytest.mark.parametrize("code", ["3", "'no licence'", ""])
def test_an_application_that_exits_is_told_and_where(app: App, code: str) -> None:
    (app.folder / "leaving.py").write_text(f"import sys\nsys.exit({code})\n")

    result = app.run("stats", "leaving:queue")

    assert result.exit_code == 2
    assert "leaving cannot be imported" in result.stderr
    assert "leaving.py" in result.stderr
    assert f"SystemExit: {code.strip(chr(39))}".rstrip(": ") in result.stderr
    assert "__name__ == '__main__'" in result.stderr


def test_a_misspelt_queue_is_answered_with_the_nearest(app: App) -> None:
    result = app.run("stats", f"{app.module}:queu")

    assert result.exit_code == 2
    assert f"has no 'queu'. Did you mean {app.module}:queue?" in result.stderr


def test_what_is_no_queue_is_refused_with_the_queues_there_are(app: App) -> None:
    result = app.run("stats", f"{app.module}:number")

    assert result.exit_code == 2
    assert "is of type int, not a Queue" in result.stderr
    assert f"Its queues: {app.module}:other, {app.module}:queue." in result.stderr


def test_a_module_that_lacks_another_names_the_one_it_lacks(app: App) -> None:
    (app.folder / "needy.py").write_text("import surely_not_installed\n")

    result = app.run("stats", "needy:queue")

    assert result.exit_code == 2
    assert "needy imports 'surely_not_installed'" in result.stderr
    assert sys.prefix in result.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [("x = 1\ny = x / 0\n", "ZeroDivisionError: division by zero"), ("x = (\n", "SyntaxError")],
)
def test_a_module_that_raises_is_shown_with_the_place(app: App, code: str, said: str) -> None:
    (app.folder / "broken.py").write_text(code)

    result = app.run("stats", "broken:queue")

    assert result.exit_code == 2
    assert "broken cannot be imported" in result.stderr
    assert "broken.py" in result.stderr
    assert said in result.stderr
    assert "importlib" not in result.stderr


def test_an_error_of_the_package_in_a_module_is_shown_as_it_is(app: App) -> None:
    (app.folder / "wrong.py").write_text("from aiojobs_redis import Queue\nQueue('a b')\n")

    result = app.run("stats", "wrong:queue")

    assert result.exit_code == 2
    assert "queue name 'a b' is not allowed" in result.stderr


def test_of_several_queues_one_is_chosen_by_name(app: App) -> None:
    both = f"{app.module}:both"

    unclear = app.run("job", "ls", both)
    wrong = app.run("job", "ls", both, "-q", "nope")
    chosen = app.run("job", "ls", both, "-q", f"{app.name}-b")

    assert unclear.exit_code == wrong.exit_code == 2
    assert f"has the queues {app.name}, {app.name}-b: choose one with --queue" in unclear.stderr
    assert f"has no queue 'nope'; it has {app.name}" in wrong.stderr
    assert chosen.exit_code == 0, chosen.output


def test_a_misspelt_module_is_answered_with_the_nearest(app: App) -> None:
    (app.folder / "shop.py").write_text("")

    result = app.run("stats", "shopp:queue")

    assert result.exit_code == 2
    assert "there is no module 'shopp' in " in result.stderr
    assert "Did you mean shop?" in result.stderr


@pytest.mark.parametrize("command", [["stats"], ["worker", "--dry-run"]])
def test_a_misspelt_queue_of_several_is_answered_with_the_nearest(
    app: App, command: list[str]
) -> None:
    both = f"{app.module}:both"

    result = app.run(*command, both, "-q", f"{app.name}-bb")

    assert result.exit_code == 2
    assert f"{both} has no queue '{app.name}-bb'; it has {app.name}, {app.name}-b" in result.stderr
    assert f"Did you mean {app.name}-b?" in result.stderr


def test_a_misspelt_task_is_answered_with_the_nearest(app: App) -> None:
    result = app.run("enqueue", "APP", "stumbel")

    assert result.exit_code == 2
    assert "Did you mean 'stumble'?" in result.stderr
