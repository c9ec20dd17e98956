"""The suite of faults and soaks is shipped, and one command collects each of the two."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib

import pytest

from tests.quality.paths import ROOT

FAULTS = ROOT / "tests" / "faults"
TASKS = {"faults": "whole", "soak": "soak"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def declared(tier: str) -> set[str]:
    """Return the tests of faults that have a size for a tier, by their files."""
    found = set()
    for path in FAULTS.glob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        # One that takes its sizes by name has them above.
        if re.search(rf"\b{tier}=", text):
            found.add(path.name)
    return found


@pytest.mark.requirement("B41")
@pytest.mark.parametrize(("task", "tier"), TASKS.items())
def test_one_command_collects_the_suite(task: str, tier: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "poethepoet", "-q", task, "--collect-only", str(FAULTS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    collected = re.findall(r"^tests/faults/(\w+\.py)::\S+\[(.+)\]$", result.stdout, re.M)
    assert {name for name, _ in collected} == declared(tier) != set()
    assert all(tier in size.split("-") for _, size in collected)


@pytest.mark.requirement("B41")
def test_the_suite_kills_cuts_off_and_restarts_and_is_shipped() -> None:
    parts = ("kills", "outages", "partitions", "power_loss", "sentinel_failover", "worker_clocks")

    assert {f"test_{part}.py" for part in parts} <= declared("whole")
    assert declared("soak")
    assert "/tests" in PROJECT["hatch"]["build"]["targets"]["sdist"]["include"]
    assert {"faults", "soak"} <= set(PROJECT["poe"]["tasks"])
