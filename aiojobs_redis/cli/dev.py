"""`dev`: a worker that follows the code, and the dashboard, under one supervisor."""

from __future__ import annotations

import click

from aiojobs_redis.cli.groups import Changing
from aiojobs_redis.cli.numbers import Whole
from aiojobs_redis.cli.options import app_argument, examples
from aiojobs_redis.cli.settings import setting

__all__ = ["command"]

_GRACE = 5.0


@click.command(
    "dev",
    cls=Changing,
    epilog=examples("dev app:queue", "dev app:queue --port 9000", "dev app:queue --no-web"),
)
@app_argument
@setting("concurrency", "-c", "--concurrency", type=Whole(1, 100_000))
@setting("host", "--host")
@setting("port", "--port", type=Whole(0, 65535))
@click.option("--web/--no-web", "with_web", default=True, help="With the dashboard, or without.")
@click.option("--reload/--no-reload", default=True, help="Follow changes of *.py files, or not.")
@setting(
    "log_level",
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
)
def command(
    app: str,
    concurrency: int,
    host: str,
    port: int,
    with_web: bool,
    reload: bool,
    log_level: str,
) -> None:
    """Run a worker of APP that starts again when the code changes, and the dashboard.

    For development: running jobs get 5 seconds at an end, and 3 when the code has changed.
    """
    from aiojobs_redis.cli.child import Program
    from aiojobs_redis.cli.logs import configure_logging
    from aiojobs_redis.cli.supervising import require, supervise

    worker = ["worker", app, "-c", str(concurrency), "--grace", str(_GRACE)]
    worker += ["--processes", "1", "--log-level", log_level]
    programs = [Program("the worker", tuple(worker))]
    if with_web:
        for package in ("starlette", "jinja2", "uvicorn"):
            require(package, "web", f"the dashboard needs {package} (--no-web leaves it out)")
        # It listens on the developer's own machine only, unless there is a token.
        web = ["web", app, "--host", host, "--port", str(port), "--allow-actions"]
        web += ["--log-level", log_level, "--log-format", "pretty"]
        programs.append(Program("the dashboard", tuple(web), tells=False))
    configure_logging(log_level, "pretty")
    supervise(programs, grace=_GRACE, reload=reload)
