"""Without the extra the import says how to get it."""

from __future__ import annotations

import subprocess
import sys

from tests.quality.paths import ROOT


def test_the_error_of_a_missing_extra_has_the_line_that_installs_it() -> None:
    program = "import sys; sys.modules['starlette'] = None; import aiojobs_redis.web"

    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ModuleNotFoundError: ")
    assert last.endswith("pip install 'aiojobs-redis[web]'")
