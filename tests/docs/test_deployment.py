"""The files of docs/deployment.md agree with the command line and with each other."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from aiojobs_redis.cli.exits import ExitCode
from aiojobs_redis.cli.web import command as web
from aiojobs_redis.cli.worker import command
from tests.docs.pages import DOCS
from tests.quality.paths import ROOT

FOLDER = DOCS / "examples" / "deployment"


def load(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+)s", text)
    assert found is not None, text
    return float(found[1])


def cmd() -> list[str]:
    """Return the command of the image."""
    lines = (FOLDER / "Dockerfile").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("CMD ")]
    words: list[str] = json.loads(line.removeprefix("CMD "))
    return words


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(FOLDER / "aiojobs-worker@.service")
    return parser


def container() -> dict[str, Any]:
    deployment, _ = load("kubernetes.yml")
    [found] = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def options_of(words: list[str]) -> dict[str, Any]:
    """Return how the command line reads the words of a worker."""
    at = words.index("worker")
    assert words[at - 1].endswith("aiojobs-redis")
    context = command.make_context("worker", [*words[at + 1 :]])
    return context.params


def of_systemd() -> list[str]:
    return shlex.split(unit()["Service"]["ExecStart"].replace("%i", "1"))


def of_kubernetes() -> list[str]:
    return list(container()["args"])


COMMANDS: dict[str, Callable[[], list[str]]] = {
    "Dockerfile": cmd,
    "systemd": of_systemd,
    "kubernetes": of_kubernetes,
}


@pytest.mark.parametrize("place", COMMANDS)
def test_the_command_of_each_file_is_one_that_the_worker_takes(place: str) -> None:
    read = options_of(COMMANDS[place]())

    assert read["app"] == "app:queue"
    assert read["log_format"] == "json"
    assert read["metrics_port"] in range(9180, 9190)


def test_the_probes_ask_whether_the_worker_is_alive() -> None:
    [compose] = load("compose.yml")
    for words in (
        compose["services"]["worker"]["healthcheck"]["test"][1:],
        container()["livenessProbe"]["exec"]["command"],
    ):
        read = options_of(words)
        assert (read["app"], read["check"]) == ("app:queue", True)


def test_what_ends_a_worker_waits_longer_than_its_grace() -> None:
    [compose] = load("compose.yml")
    deployment, _ = load("kubernetes.yml")
    waits = {
        "Dockerfile": seconds(compose["services"]["worker"]["stop_grace_period"]),
        "systemd": float(unit()["Service"]["TimeoutStopSec"]),
        "kubernetes": deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"],
    }

    graces = {place: options_of(words())["grace"] for place, words in COMMANDS.items()}
    assert {place: waits[place] >= graces[place] + 10 for place in waits} == dict.fromkeys(
        waits, True
    )


@pytest.mark.requirement("R18")
def test_the_compose_file_is_whole() -> None:
    [compose] = load("compose.yml")

    for name, service in compose["services"].items():
        assert ("image" in service) != ("build" in service), name
        for other, needs in service.get("depends_on", {}).items():
            assert needs == {"condition": "service_healthy"}
            assert "healthcheck" in compose["services"][other]
        for volume in service.get("volumes", ()):
            source, target = volume.split(":")[:2]
            there = (FOLDER / source).exists() if source[0] == "." else source in compose["volumes"]
            assert there, volume
            assert target.startswith("/")
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), "nothing is published to other machines"
    server = compose["services"]["valkey"]["command"]
    assert server[server.index("--maxmemory-policy") + 1] == "noeviction"
    assert server[server.index("--appendonly") + 1] == "yes"
    url = compose["services"]["worker"]["environment"]["AIOJOBS_REDIS_URL"]
    assert url == "redis://valkey:6379/0"


def test_the_dashboard_of_the_compose_file_has_its_token() -> None:
    [compose] = load("compose.yml")
    service = compose["services"]["dashboard"]
    words = service["command"]
    context = web.make_context("web", words[words.index("web") + 1 :], resilient_parsing=True)

    assert (context.params["host"], context.params["port"]) == ("0.0.0.0", 8765)
    assert words[words.index("--token-file") + 1] == f"/run/secrets/{service['secrets'][0]}"
    assert service["ports"] == ["127.0.0.1:8765:8765"]


def test_the_image_has_the_extras_that_its_command_needs() -> None:
    text = (FOLDER / "Dockerfile").read_text()
    found = re.search(r"'aiojobs-redis\[([\w,]+)\]'", text)
    assert found is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    extras = set(found[1].split(","))
    assert extras <= set(project["optional-dependencies"])
    assert "prometheus" in extras
    assert re.search(r"^USER app$", text, re.M)


def test_the_unit_does_not_repeat_what_a_restart_cannot_mend() -> None:
    service = unit()["Service"]

    assert set(unit().sections()) == {"Unit", "Service", "Install"}
    assert service["RestartPreventExitStatus"] == str(ExitCode.USAGE)
    assert service["Restart"] == "on-failure"
    assert "KillSignal" not in service


def test_the_deployment_selects_its_own_pods() -> None:
    deployment, scaled = load("kubernetes.yml")
    template = deployment["spec"]["template"]

    assert deployment["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    port = container()["ports"][0]["containerPort"]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(port)
    assert options_of(container()["args"])["metrics_port"] == port


def test_the_configuration_of_prometheus_is_one_that_it_takes(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    assert promtool is not None, "promtool is missing: apt-get install prometheus"
    token = tmp_path / "token"
    token.write_text("a token")
    text = (FOLDER / "prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(
        text.replace("/run/secrets/dashboard_token", str(token))
    )
    shutil.copy(DOCS / "examples" / "monitoring" / "alerts.yml", tmp_path)

    result = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert result.returncode == 0, result.stdout + result.stderr
