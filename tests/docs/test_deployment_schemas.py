"""The files of docs/deployment.md are valid by the specifications of those who read them.

Each by a tool of that specification, or its published schema; and each tool finds a planted fault,
so that one that takes anything would be noticed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.docs.pages import DOCS

FOLDER = DOCS / "examples" / "deployment"
KUBERNETES = ("1.30", kubernetes_validate.latest_version())
"""The oldest and the newest release whose schema the Deployment has to fit."""


def run(*words: str, cwd: Path) -> str:
    """Run a checker; return what it found, nothing where all is well."""
    result = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=60)
    told = (result.stdout + result.stderr).strip()
    assert result.returncode == 0 or told
    return told if result.returncode else ""


def planted(folder: Path, name: str, fault: tuple[str, str] | None, to: str | None = None) -> Path:
    """Copy a file, with a fault in the place of what is right; without one as it is."""
    text = (FOLDER / name).read_text()
    if fault is not None:
        right, wrong = fault
        assert text.count(right), right
        text = text.replace(right, wrong)
    path = folder / (to or name)
    path.write_text(text)
    return path


def compose(path: Path) -> str:
    schema = ("--builtin-schema", "vendor.compose-spec")
    return run(sys.executable, "-m", "check_jsonschema", *schema, str(path), cwd=path.parent)


@pytest.mark.requirement("R18")
def test_the_compose_file_fits_the_compose_specification() -> None:
    assert compose(FOLDER / "compose.yml") == ""


@pytest.mark.parametrize(
    "fault",
    [
        ("stop_grace_period:", "stop_grace:"),
        ("condition: service_healthy", "condition: service_well"),
        ("      interval: 15s", "      every: 15s"),
        ("restart: on-failure", "restart: [on-failure]"),
    ],
    ids=lambda fault: fault[1].strip(),
)
def test_a_fault_in_the_compose_file_is_found(tmp_path: Path, fault: tuple[str, str]) -> None:
    assert "error" in compose(planted(tmp_path, "compose.yml", fault))


def deployment(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(yaml.safe_load_all(path.read_text())))
    assert found["kind"] == "Deployment"
    return found


@pytest.mark.parametrize("release", KUBERNETES)
def test_the_deployment_fits_the_schema_of_kubernetes(release: str) -> None:
    kubernetes_validate.validate(deployment(FOLDER / "kubernetes.yml"), release, strict=True)


@pytest.mark.parametrize(
    "fault",
    [
        ("terminationGracePeriodSeconds: 35", "terminationGracePeriod: 35"),
        ("terminationGracePeriodSeconds: 35", "terminationGracePeriodSeconds: 35s"),
        (
            "secretKeyRef: { name: aiojobs-redis, key: url }",
            "secretKeyRef: { name: aiojobs-redis }",
        ),
        ("  replicas: 2", "  replicas: two"),
        ("initialDelaySeconds: 15", "initialDelay: 15"),
    ],
    ids=lambda fault: fault[1].strip(),
)
def test_a_fault_in_the_deployment_is_found(tmp_path: Path, fault: tuple[str, str]) -> None:
    path = planted(tmp_path, "kubernetes.yml", fault)

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment(path), KUBERNETES[0], strict=True)


def verified(folder: Path, fault: tuple[str, str] | None = None) -> str:
    """Return what systemd says of the unit as instance 1, its program being one that is here."""
    systemd = shutil.which("systemd-analyze")
    assert systemd is not None, "systemd-analyze is missing: apt-get install systemd"
    path = planted(folder, "aiojobs-worker@.service", fault, "aiojobs-worker@1.service")
    program = shutil.which("true")
    assert program is not None
    path.write_text(path.read_text().replace("/srv/app/.venv/bin/aiojobs-redis", program))
    result = subprocess.run(
        [systemd, "verify", "--man=no", str(path)], capture_output=True, text=True, timeout=60
    )
    # An unknown key is a warning of systemd only; what it says of other units is theirs.
    return "\n".join(line for line in result.stderr.splitlines() if "aiojobs-worker" in line)


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    assert verified(tmp_path) == ""


@pytest.mark.parametrize(
    "fault",
    [
        ("TimeoutStopSec=35", "TimeoutStopSec=soon"),
        ("RestartPreventExitStatus=2", "RestartPreventExitCode=2"),
        ("KillMode=mixed", "KillMode=kindly"),
        ("ExecStart=/srv", "ExecStart=srv"),
        ("[Install]", "[Installation]"),
        ("Restart=on-failure", "Restart=on-error"),
    ],
    ids=lambda fault: fault[1],
)
def test_a_fault_in_the_unit_is_found(tmp_path: Path, fault: tuple[str, str]) -> None:
    assert verified(tmp_path, fault)


def image(path: Path) -> Sequence[Sequence[str]]:
    """Return the instructions of a Dockerfile: its words, the first of them upper-case."""
    text = path.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [line.split() for line in lines]


def test_the_dockerfile_copies_what_is_there_and_runs_as_a_user_without_rights() -> None:
    steps = image(FOLDER / "Dockerfile")

    assert {step[0] for step in steps} <= {"FROM", "RUN", "WORKDIR", "COPY", "USER", "CMD"}
    assert (steps[0][0], steps[-1][0]) == ("FROM", "CMD")
    copied = [word for step in steps if step[0] == "COPY" for word in step[1:-1]]
    assert all((FOLDER / word).exists() for word in copied if not word.startswith("--"))
    users = [step[1] for step in steps if step[0] == "USER"]
    assert users == ["app"]


def test_the_queries_of_the_autoscaler_are_ones_that_prometheus_takes(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing: apt-get install prometheus"
    _, scaled = yaml.safe_load_all((FOLDER / "kubernetes.yml").read_text())
    queries = [trigger["metadata"]["query"] for trigger in scaled["spec"]["triggers"]]
    rules = [{"record": f"query:{number}", "expr": text} for number, text in enumerate(queries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))

    assert run(promtool, "check", "rules", str(path), cwd=tmp_path) == ""
    rules[0]["expr"] += ")"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert "could not parse expression" in run(promtool, "check", "rules", str(path), cwd=tmp_path)
