"""Checks that every public name has a complete type, as a type checker of a user sees it.

`basedpyright --verifytypes` looks at every module without an underscore; only what the public
modules export counts here. Run it with `python -m tests.quality.public_types`; the package must be
installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib import import_module
from typing import Any

from tests.quality.test_exports import public_modules


def public_prefixes() -> set[str]:
    """Return where the public names are defined, since they are reported by that path."""
    found = set()
    for name in public_modules():
        module = import_module(name)
        for exported in module.__all__:
            value = getattr(module, exported)
            home = getattr(value, "__module__", name)
            found |= {f"{name}.{exported}", f"{home}.{getattr(value, '__qualname__', exported)}"}
    return found


def report() -> dict[str, Any]:
    """Run basedpyright and return its report.

    Raises:
        RuntimeError: basedpyright did not look at the package; the message is its own.
    """
    program = shutil.which("basedpyright")
    if program is None:
        raise RuntimeError("basedpyright is not on PATH: install the dependency group dev")
    command = [program, "--verifytypes", "aiojobs_redis", "--ignoreexternal", "--outputjson"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    answer: dict[str, Any] = json.loads(result.stdout)
    if "typeCompleteness" not in answer or not answer["typeCompleteness"]["symbols"]:
        raise RuntimeError(f"nothing to check, is the package installed? {result.stdout.strip()}")
    completeness: dict[str, Any] = answer["typeCompleteness"]
    return completeness


def gaps() -> list[str]:
    """Return one line for each public name whose type is missing, partial or ambiguous."""
    prefixes = tuple(sorted(public_prefixes()))
    found = []
    for symbol in report()["symbols"]:
        name = symbol["name"]
        public = any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
        if public and symbol["isExported"] and symbol["diagnostics"]:
            why = symbol["diagnostics"][0]["message"].splitlines()[0]
            found.append(f"{name}: {why}")
    return found


def main() -> int:
    """Print the gaps; the exit code is 1 when there are any."""
    found = gaps()
    for line in found:
        print(line)
    print(f"{len(found)} public names without a complete type")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
