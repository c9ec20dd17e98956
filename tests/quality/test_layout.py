"""The top level of the repository holds what it is meant to hold, and nothing else."""

from __future__ import annotations

import subprocess

from tests.quality.paths import PACKAGE, ROOT

REQUIRED = {
    ".ci",
    ".gitignore",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "aiojobs_redis",
    "benchmarks",
    "docs",
    "pyproject.toml",
    "tests",
    "uv.lock",
}


def kept_files() -> list[str]:
    """List what git keeps or would keep: what it ignores is nobody's layout."""
    # safe.directory: a clone may belong to another user than the one who runs the tests.
    command = [
        "git",
        "-c",
        "safe.directory=*",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]


def test_the_top_level_has_only_the_allowed_entries() -> None:
    assert {name.partition("/")[0] for name in kept_files()} == REQUIRED


def test_examples_live_in_the_documentation() -> None:
    folders = {name.rpartition("/")[0] for name in kept_files() if "/examples/" in f"/{name}"}

    assert {folder for folder in folders if not folder.startswith("docs/examples")} == set()


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
