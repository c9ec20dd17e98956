"""The shipped alert rules fire for what they are for; they and the dashboard name what exists."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from aiojobs_redis import Queue, Worker
from aiojobs_redis.contrib.prometheus import PrometheusMetrics, exposition
from tests.docs.pages import DOCS

MONITORING = DOCS / "examples" / "monitoring"
NAME = re.compile(r"\baiojobs_redis_\w+")


def promtool(*words: str, cwd: Path = MONITORING) -> subprocess.CompletedProcess[str]:
    path = shutil.which("promtool")
    assert path is not None, "promtool is missing: apt-get install prometheus"
    return subprocess.run([path, *words], cwd=cwd, capture_output=True, text=True, timeout=60)


def rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((MONITORING / "grafana.json").read_text())
    return found


def expressions() -> list[str]:
    """Return what the panels of the dashboard ask for."""
    return [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]


def family(sample: str) -> str:
    """Return the metric of a sample."""
    return re.sub(r"_(bucket|count|sum)$", "", sample)


async def exposed(queue: Queue) -> set[str]:
    """Return the name of each sample that a worker may expose, and of each label."""
    registry = CollectorRegistry()
    worker = Worker(queue)
    metrics = PrometheusMetrics(registry)
    metrics.watch(queue, worker)

    @queue.task
    async def work() -> None:
        pass

    @queue.task(attempts=2, backoff=[0])
    async def fails() -> None:
        raise ValueError

    metrics._recovered.labels(queue.name)
    metrics._lateness.labels(queue.name)
    await work.enqueue()
    await fails.enqueue()
    await worker.run(burst=True)
    # A worker that has ended has no queues of its own any more.
    found = {"aiojobs_redis_jobs_running"}
    for family in text_string_to_metric_families((await exposition(queue, registry)).decode()):
        found |= {sample.name for sample in family.samples}
    return found


@pytest.mark.requirement("D24")
@pytest.mark.requirement("D19")
def test_each_alert_is_provoked_and_fires_for_nothing_less() -> None:
    result = promtool("test", "rules", "alerts.test.yml")

    assert result.returncode == 0, result.stdout + result.stderr
    tests = yaml.safe_load((MONITORING / "alerts.test.yml").read_text())["tests"]
    provoked = {
        case["alertname"]
        for test in tests
        for case in test["alert_rule_test"]
        if case["exp_alerts"]
    }
    assert provoked == {rule["alert"] for rule in rules()}
    assert len(provoked) == 5


@pytest.mark.requirement("D24")
def test_an_alert_that_does_not_fire_is_noticed(tmp_path: Path) -> None:
    for name in ("alerts.yml", "alerts.test.yml"):
        text = (MONITORING / name).read_text()
        (tmp_path / name).write_text(text.replace("> 10000", "> 20000"))

    assert "AiojobsQueueDeep" in promtool("test", "rules", "alerts.test.yml", cwd=tmp_path).stderr


def test_the_dashboard_is_made_of_queries_that_prometheus_takes(tmp_path: Path) -> None:
    ready = [
        text.replace("$__rate_interval", "5m").replace("$queue", ".*") for text in expressions()
    ]
    made = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(ready)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": made}]}))

    result = promtool("check", "rules", str(path))

    assert result.returncode == 0, result.stdout + result.stderr
    assert len(made) >= 20


async def test_rules_and_dashboard_ask_for_what_is_exposed(queue: Queue) -> None:
    there = await exposed(queue)
    wanted = {rule["expr"] for rule in rules()} | set(expressions())

    assert {name for text in wanted for name in NAME.findall(text)} - there == set()
    shown = {name for text in expressions() for name in NAME.findall(text)}
    families = {name for name in there if not name.endswith("_created")}
    assert {family(name) for name in families} == {family(name) for name in shown}


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = dashboard()["panels"]
    fields = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]

    assert len(fields) == len(set(fields))
    assert max(x for x, _ in fields) == 23
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.requirement("D22")
def test_the_page_lists_each_metric() -> None:
    page = (DOCS / "observability.md").read_text()
    listed = set(re.findall(r"^\| `(aiojobs_redis_\w+)` \|", page, re.M))
    asked = {name for text in expressions() for name in NAME.findall(text)}

    assert {family(name) for name in asked} == listed
