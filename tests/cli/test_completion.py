"""Completion by click's own protocol, as the shells speak it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import App
from tests.docs.pages import DOCS
from tests.support.terminal import Terminal

# The console script sets the name of the program, which names the variable.
PROGRAM = "from aiojobs_redis.cli.main import main; main()"


def complete(folder: Path, *words: str, shell: str = "bash") -> list[str]:
    """Return what is offered for the last of the words, which may be empty."""
    environment = os.environ | {
        "_AIOJOBS_REDIS_COMPLETE": f"{shell}_complete",
        "COMP_WORDS": "\n".join(["aiojobs-redis", *words]),
        "COMP_CWORD": str(len(words)) if shell == "bash" else words[-1],
    }
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.stderr == ""
    return [line.rpartition(",")[2] for line in result.stdout.splitlines() if line]


def ask(folder: Path, *words: str) -> list[str]:
    """As `complete`, where Redis is asked: on a busy machine its answer may come too late once."""
    deadline = time.monotonic() + 60
    while not (found := complete(folder, *words)) and time.monotonic() < deadline:
        pass
    return found


def test_commands_options_and_choices_are_completed(tmp_path: Path) -> None:
    assert complete(tmp_path, "wor") == ["worker", "workers"]
    assert complete(tmp_path, "queue", "pa") == ["pause"]
    assert complete(tmp_path, "worker", "app:queue", "--conc") == ["--concurrency"]
    assert "retrying" in complete(tmp_path, "job", "ls", "app:queue", "--state", "")


def test_applications_are_found_without_running_them(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "import aiojobs_redis\nfrom aiojobs_redis import Queue, Worker\n"
        "open('it-ran', 'w').close()\nqueue = Queue('a')\nworker = Worker(queue)\n"
        "other = aiojobs_redis.Queue('b')\nnumber = 7\n"
    )
    (tmp_path / "broken.py").write_text("queue = Queue(\n")

    assert complete(tmp_path, "stats", "") == ["app:queue", "app:worker", "app:other"]
    assert complete(tmp_path, "stats", "app:w") == ["app:worker"]
    assert not (tmp_path / "it-ran").exists()


def test_names_behind_the_application_are_completed(app: App) -> None:
    folder, both = app.folder, f"{app.module}:both"
    app.do(lambda queue: queue.enqueue("add", 1, id="mine", delay=60))
    app.do(lambda queue: queue.enqueue("stumble", id="lost"))
    app.work()
    app.do(lambda queue: queue.schedule("pulse", queue.bind("add", 1), every=3600))

    assert complete(folder, "enqueue", app.ref, "st") == ["stumble"]
    assert complete(folder, "job", "ls", app.ref, "--task", "ye") == ["year"]
    assert complete(folder, "stats", both, "-q", "") == [app.name, f"{app.name}-b"]
    assert ask(folder, "job", "show", app.ref, "") == ["mine", "lost"]
    assert ask(folder, "job", "cancel", app.ref, "mi") == ["mine"]
    assert ask(folder, "dead", "replay", app.ref, "") == ["lost"]
    assert "pulse" in ask(folder, "cron", "run", app.ref, "pu")
    assert "nightly" in ask(folder, "cron", "run", app.ref, "ni")


@pytest.mark.parametrize(
    "code",
    [
        "raise RuntimeError('no')\n",
        "import sys\nprint('loud')\nsys.exit('no')\n",
        "from aiojobs_redis import Queue\nqueue = Queue('q', 'redis://127.0.0.1:1')\n",
    ],
)
def test_what_cannot_be_found_out_completes_nothing_and_says_nothing(
    tmp_path: Path, code: str
) -> None:
    (tmp_path / "app.py").write_text(code)
    began = time.monotonic()

    assert complete(tmp_path, "job", "show", "app:queue", "") == []
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script_to_load(tmp_path: Path, shell: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=os.environ | {"_AIOJOBS_REDIS_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    # click says that it cannot find the version of a bash that is not there.
    assert "_AIOJOBS_REDIS_COMPLETE" in result.stdout
    assert "aiojobs-redis" in result.stdout


def test_bash_completes_what_is_typed(app: App) -> None:
    program = app.folder / "bin" / "aiojobs-redis"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{PROGRAM}\n")
    program.chmod(0o755)
    env = {"PATH": f"{program.parent}:{os.environ['PATH']}", "PS1": "$ "}
    # As the page on the command line has it.
    page = (DOCS / "cli.md").read_text()
    (line,) = re.findall(r"^(eval .*=bash_source .*\))\S*\"", page, re.M)
    bash = ("bash", "--norc", "--noprofile", "-i")
    with Terminal(app.folder, env=env, program=bash) as shell:
        shell.press(f'COMP_WORDBREAKS=${{COMP_WORDBREAKS//:}}; {line}"; echo re""ady\n')
        shell.wait_for("ready")
        shell.press("aiojobs-redis doc\t")
        shell.wait_for("aiojobs-redis doctor ")
        # The rest of what is typed, after a bell: there are several queues to choose from.
        shell.press(f"{app.module[:-3]}\t")
        shell.wait_for(f"{app.module[-3:]}:")
        shell.press("que\t")
        shell.wait_for("queue ")
        shell.press("--js\t\n")
        shell.wait_for('"check":"records"')
        shell.press("exit\n")
        shell.wait()
