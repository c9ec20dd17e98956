"""Fuzzes each target for some time: ``python -m tests.fuzz.run [--seconds 60] [TARGET ...]``.

As many run side by side as there are processors, or ``--at-once`` of them.

Where Atheris is installed it is guided by coverage, else the seeds are changed at random. Each
target has a process of its own; one that raises what it may not, or grows over 200 MiB beyond what
it began with, is printed with its input, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_GROWTH_MIB = 200
_LONGEST = 4096


def main() -> int:
    """Fuzz the targets that are asked for, each in its own process."""
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", default=[])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--at-once", type=int, default=os.cpu_count())
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        return fuzz(asked.one, asked.seconds)
    unknown = set(asked.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    run = functools.partial(in_a_process, seconds=asked.seconds)
    with ThreadPoolExecutor(asked.at_once) as pool:
        return not all(pool.map(run, asked.targets or TARGETS))


def in_a_process(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own, and print what came of it."""
    command = [sys.executable, "-m", "tests.fuzz.run", "--one", name, "--seconds", str(seconds)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    last = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()][-12:]
    if result.returncode == 0:
        print(f"{name}: ok; {last[-1][:100]}", flush=True)
    else:
        print("\n".join([f"{name}: FAILED", *last]), flush=True)
    return result.returncode == 0


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one target in this process."""
    from tests.fuzz.targets import TARGETS

    began = time.monotonic()
    if importlib.util.find_spec("atheris") is not None:
        _guided(name, seconds)
    target, choice, runs, before = TARGETS[name], random.Random(), 0, _mib()
    while time.monotonic() < began + seconds:
        data = _changed(choice, target.seeds)
        runs += 1
        try:
            with contextlib.suppress(*target.allowed):
                target.run(data)
        except BaseException:
            print(f"input {data!r}")
            raise
    print(f"Done {runs} runs, grew by {_mib() - before} MiB")
    return int(_mib() - before > _GROWTH_MIB)


def _guided(name: str, seconds: int) -> None:
    import atheris

    # What is to be measured has to be imported anew.
    for module in [
        each for each in sys.modules if each.startswith(("aiojobs_redis", "tests.fuzz"))
    ]:
        del sys.modules[module]
    with atheris.instrument_imports(include=["aiojobs_redis"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]

    def run(data: bytes) -> None:
        with contextlib.suppress(*target.allowed):
            target.run(data)

    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds):
            (Path(folder) / str(number)).write_bytes(seed)
        limit = _mib() + _GROWTH_MIB
        options = [f"-max_total_time={seconds}", f"-rss_limit_mb={limit}", f"-max_len={_LONGEST}"]
        where = f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name.replace(' ', '-')}-"
        atheris.Setup([sys.argv[0], *options, where, folder], run)
        atheris.Fuzz()  # ends the process


def _changed(choice: random.Random, seeds: list[bytes]) -> bytes:
    data = (
        choice.choice(seeds) if choice.random() < 0.9 else choice.randbytes(choice.randrange(200))
    )
    for _ in range(choice.randint(1, 8)):
        at, size = choice.randint(0, len(data)), choice.choice((0, 0, 1, 2, 8, 64))
        new = choice.choice((b"", choice.randbytes(1), choice.randbytes(8), data[at : at + 20]))
        data = data[:at] + new + data[at + size :]
    return data[:_LONGEST]


def _mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(main())
