"""Checks that every name has a complete type, as a type checker of a user sees it.

`basedpyright --verifytypes` looks at every module without an underscore: at more than users import,
but a type of their own code is only as known as what it is made of, wherever that stands. Run it
with `python -m tests.quality.public_types`; the package must be installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any


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
    """Return one line for each name whose type is missing, partial or ambiguous."""
    found = []
    for symbol in report()["symbols"]:
        if symbol["isTypeAmbiguous"] or not symbol["isTypeKnown"]:
            said = [one["message"].splitlines()[0] for one in symbol["diagnostics"]]
            found.append(": ".join([symbol["name"], *said[:1]]))
    return found


def main() -> int:
    """Print the gaps; the exit code is 1 when there are any."""
    found = gaps()
    for line in found:
        print(line)
    print(f"{len(found)} names without a complete type")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
