"""`web`: the dashboard and the HTTP API of an application, served by uvicorn."""

from __future__ import annotations

from pathlib import Path

import click

from aiojobs_redis.cli.ending import ends_with_0
from aiojobs_redis.cli.exits import Misuse
from aiojobs_redis.cli.options import app_argument, examples
from aiojobs_redis.cli.settings import is_read_only, setting

__all__ = ["command"]

_TOKEN_VARIABLE = "AIOJOBS_REDIS_WEB_TOKEN"  # noqa: S105 - the name of a variable


@click.command(
    "web",
    epilog=examples(
        "web app:queue",
        "web app:queues --port 9000 --allow-actions",
        "web app:queue --host 0.0.0.0 --token-file /run/secrets/dashboard --name jobs.example.org",
    )
    + "\n\n\b\nExit codes:\n  0  stopped by a signal\n"
    "  2  an option is wrong, or the port is taken",
)
@app_argument
@setting("host", "--host")
@setting("port", "--port", type=click.IntRange(0, 65535))
@setting(
    "token_file",
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@setting("trace_url", "--trace-url")
@setting(
    "log_level",
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
)
@setting("log_format", "--log-format", type=click.Choice(["pretty", "json"]))
@click.option(
    "--read-only/--allow-actions",
    default=None,
    help="Show everything and change nothing, or let people act. Without either, those who log in "
    "with the token may act.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="A name under which browsers reach it; requests under others are refused. Repeatable.",
)
def command(
    app: str,
    host: str,
    port: int,
    token_file: Path | None,
    trace_url: str | None,
    log_level: str,
    log_format: str,
    read_only: bool | None,
    names: tuple[str, ...],
) -> None:
    """Serve the dashboard of APP, and its HTTP API under /api.

    Without a token it listens on this machine only, and shows without changing anything unless
    --allow-actions is given. AIOJOBS_REDIS_WEB_TOKEN may hold one instead of a file.
    """
    import os
    import socket

    from aiojobs_redis.cli.app import load_queues
    from aiojobs_redis.cli.logs import configure_logging

    # Before the application is loaded, which may send the log elsewhere.
    configure_logging(log_level, log_format)
    try:
        import uvicorn

        from aiojobs_redis.web import Dashboard, check_bind
    except ModuleNotFoundError as error:
        raise Misuse(
            f"the dashboard needs {error.name}: pip install 'aiojobs-redis[web]'"
        ) from None
    token = os.environ.get(_TOKEN_VARIABLE) or None
    if token_file is not None:
        token = token_file.read_text(encoding="utf-8").strip()
    if is_read_only():
        if read_only is False:
            raise Misuse(
                "--allow-actions contradicts the setting read_only: leave it out, or unset "
                "AIOJOBS_REDIS_READ_ONLY (see 'aiojobs-redis config')."
            )
        read_only = True
    dashboard = Dashboard(
        load_queues(app),
        token=token,
        read_only=read_only,
        hosts=names or None,
        trace_url=trace_url,
    )
    check_bind(dashboard, host)
    config = uvicorn.Config(
        dashboard,
        host=host,
        port=port,
        # It logs as all others do, but no line for each request.
        log_config=None,
        log_level="error" if log_level == "error" else "warning",
        server_header=False,
        lifespan="on",
    )
    try:
        listening = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET
        )
    except OSError as error:
        raise Misuse(
            f"cannot listen on {host}:{port}: {error.strerror}. Choose another --port, or 0 for "
            "one that is free."
        ) from None
    shown = f"[{host}]" if ":" in host else host
    with listening:
        # Asked for port 0, the system has chosen one.
        click.echo(f"http://{shown}:{listening.getsockname()[1]}/", err=True)
        if token is None and read_only is None:
            click.echo("read-only, since there is no token; see --allow-actions", err=True)
        with ends_with_0():
            uvicorn.Server(config).run(sockets=[listening])
