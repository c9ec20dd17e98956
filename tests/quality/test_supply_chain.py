"""What is built is reproducible, what it depends on is pinned, and importing it asks nobody."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.quality.paths import ROOT

pytestmark = pytest.mark.requirement("S21")

KEPT = ("aiojobs_redis", "docs", "benchmarks", "tests")
FILES = (
    *("pyproject.toml", "uv.lock", "README.md", "LICENSE"),
    *("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"),
)


def built(folder: Path, time: int) -> dict[str, str]:
    """Build wheel and sdist from a copy of the sources and return the hashes of the files."""
    source = folder / "source"
    for name in KEPT:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    for path in source.rglob("*"):
        os.utime(path, (time, time))
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder / "dist")]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    files = (folder / "dist").iterdir()
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_wheel_and_sdist_are_the_same_bytes_wherever_they_are_built(tmp_path: Path) -> None:
    one, two = built(tmp_path / "a", 1_500_000_000), built(tmp_path / "b", 1_700_000_000)
    assert len(one) == 2
    assert one == two


def test_every_locked_package_has_hashes_and_the_lock_fits_the_project() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    own = {}
    for package in lock["package"]:
        if "registry" not in package["source"]:
            own = package
            continue
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        assert files, package["name"]
        assert all(file["hash"].startswith("sha256:") for file in files), package["name"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        (found.name, str(found.specifier))
        for text in project["project"]["dependencies"]
        for found in [Requirement(text)]
    }
    extras = project["project"]["optional-dependencies"]
    wanted |= {
        (found.name, str(found.specifier))
        for name, texts in extras.items()
        if name != "all"
        for found in map(Requirement, texts)
    }
    locked = {
        (each["name"], each.get("specifier", "")) for each in own["metadata"]["requires-dist"]
    }
    assert _sets(wanted) <= _sets(locked)


def _sets(pairs: set[tuple[str, str]]) -> set[tuple[str, frozenset[str]]]:
    return {(name, frozenset(specifier.split(","))) for name, specifier in pairs}


def test_importing_the_package_asks_nobody() -> None:
    program = """
import sys
def refuse(event, args):
    if event.startswith("socket.") and event not in {"socket.__new__", "socket.gethostname"}:
        raise SystemExit(f"{event} {args}")
sys.addaudithook(refuse)
from aiojobs_redis import *
import aiojobs_redis.cli.main
print("imported")
"""
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("imported\n", 0), result.stderr


def test_there_is_a_private_way_to_report_a_hole() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "Report it privately" in text
    assert "docs/security.md" in text
