"""`enqueue`: adds one job by the name of its task, with arguments as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from aiojobs_redis.cli.completion import complete_task
from aiojobs_redis.cli.groups import Changing
from aiojobs_redis.cli.numbers import Seconds, Whole
from aiojobs_redis.cli.options import examples, queue_of_app
from aiojobs_redis.cli.texts import printable
from aiojobs_redis.errors import AiojobsError, ArgumentsInvalid

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiojobs_redis import Job, NotReplicated, Queue
    from aiojobs_redis.acting import Act
    from aiojobs_redis.task import BoundCall, Task

__all__ = ["command"]


class _Enqueue(Changing):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if not error.option_name[1:2].isdigit():
                raise
            raise click.UsageError(
                f"{error.option_name} is taken for an option: put -- before the arguments, as in "
                f"'{ctx.command_path} APP TASK -- {error.option_name}'.",
                ctx,
            ) from None


@click.command(
    "enqueue",
    cls=_Enqueue,
    epilog=examples(
        "enqueue app:queue send_email ada@example.org subject=Hello",
        "enqueue app:queue add 2 3 --wait",
        "enqueue app:queue resize '{\"width\": 640}' --delay 60 --priority 10",
        "enqueue app:queue add --wait -- -2 3",
    )
    + (
        "\n\nAn argument is JSON; a word that is not JSON is a text. name=value is a keyword "
        "argument. Put -- before arguments that begin with a dash."
    ),
)
@queue_of_app
@click.argument("task", shell_complete=complete_task)
@click.argument("args", nargs=-1)
@click.option("--delay", type=Seconds(0), help="Seconds until it is ready.")
@click.option("--at", metavar="TIME", help="When it is ready, such as 2026-12-24T18:00+01:00.")
@click.option("--priority", type=Whole(-1024, 1023), help="-1024 to 1023; higher runs first.")
@click.option("--lifo", is_flag=True, help="Before all that wait in its priority.")
@click.option("--id", "job_id", metavar="ID", help="Its id; a taken one adds no job.")
@click.option("--key", metavar="KEY", help="Whom or what it belongs to, such as a tenant.")
@click.option(
    "--key-priority", type=Whole(0, 1023), help="Among the jobs of its key; higher first."
)
@click.option("--wait", is_flag=True, help="Wait for the result and print it as JSON.")
@click.option("--timeout", type=Seconds(0), help="Wait this long at most.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object: id, created, result, error."
)
def command(
    app: str,
    queue_name: str | None,
    task: str,
    args: tuple[str, ...],
    delay: float | None,
    at: str | None,
    priority: int | None,
    lifo: bool,
    job_id: str | None,
    key: str | None,
    key_priority: int | None,
    wait: bool,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Add a job of TASK with ARGS and print its id.

    With --wait its result follows; the exit code is 1 when the job failed.
    """
    from aiojobs_redis.cli.app import load_queue, use
    from aiojobs_redis.cli.instants import read_instant
    from aiojobs_redis.cli.noting import act
    from aiojobs_redis.duration import to_ms

    if timeout is not None and not wait:
        raise click.UsageError("--timeout goes with --wait.")
    if timeout is not None:
        # Before anything is written: that it was not is what the exit code says.
        to_ms("--timeout", timeout)
    options: dict[str, Any] = {"delay": delay, "priority": priority, "id": job_id, "key": key}
    options["key_priority"] = key_priority
    options["at"] = None if at is None else read_instant("--at", at)
    options["lifo"] = lifo or None
    options = {name: value for name, value in options.items() if value is not None}
    positional, keywords = read_arguments(args)
    queue = load_queue(app, queue_name)
    found = queue.registry.find(task)
    try:
        call = found.options(**options).bind(*positional, **keywords)
    except ArgumentsInvalid as error:
        raise ArgumentsInvalid(f"{error}{_meant_as_text(found, args)}") from None

    async def work(queue: Queue) -> None:
        job, unconfirmed = await _add(act(queue, "enqueue", job_id, task=task), queue, call)
        record: dict[str, Any] = {"id": job.id, "created": job.created}
        if not as_json:
            click.echo(printable(job.id))
        if not job.created:
            click.echo(f"there is a job {printable(job.id)} already; none was added", err=True)
        try:
            if unconfirmed is not None:
                raise unconfirmed
            if wait:
                record["result"] = await _result(job, timeout)
        except AiojobsError as error:
            record["error"] = str(error)
            raise _after_the_enqueue(error) from error
        finally:
            _print(record, as_json=as_json)

    use(queue, work)


def read_arguments(
    words: tuple[str, ...], read: Callable[[str], Any] | None = None
) -> tuple[list[Any], dict[str, Any]]:
    """Return the positional and the keyword arguments that words stand for.

    Args:
        words: The words.
        read: Makes a value of one; JSON by default, and what is none is a text.

    Raises:
        UsageError: A keyword is given twice.
    """
    read = read or _value
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name.isidentifier():
            positional.append(read(word))
        elif name in keywords:
            raise click.UsageError(f"the argument {name} is given twice.")
        else:
            keywords[name] = read(value)
    return positional, keywords


def _value(word: str) -> Any:
    import msgspec

    try:
        return msgspec.json.decode(word)
    except msgspec.DecodeError:
        return word


def _meant_as_text(task: Task[..., Any], words: tuple[str, ...]) -> str:
    """Return how to write the first argument that fits as a text, and not as the JSON that it is.

    Empty where there is none.
    """
    import json
    import shlex

    positional, keywords = read_arguments(words)
    try:
        task.codec.signature.check(len(positional), keywords.keys())
    except ArgumentsInvalid:
        return ""
    texts, named = read_arguments(words, str)
    parameters = task.codec.signature.parameters(len(positional), keywords)
    values = (*positional, *keywords.values())
    for parameter, value, text in zip(parameters, values, (*texts, *named.values()), strict=True):
        path = parameter.name
        if parameter.fault(path, value) and not parameter.fault(path, text):
            word = shlex.quote(json.dumps(text, ensure_ascii=False))
            return f" An argument is read as JSON: write {word} for the text {text}."
    return ""


async def _add(
    enqueue: Act, queue: Queue, call: BoundCall[Any]
) -> tuple[Job[Any], NotReplicated | None]:
    """Return the job, and why it is not confirmed where it is not: it was added all the same."""
    from aiojobs_redis.errors import NotReplicated

    try:
        return await enqueue.run(lambda: queue.enqueue_call(call)), None
    except NotReplicated as error:
        return error.jobs[0], error


async def _result(job: Job[Any], timeout: float | None) -> Any:
    from aiojobs_redis.cli.exits import TimedOut

    try:
        return await job.result(timeout)
    except TimeoutError as error:
        raise TimedOut(
            f"{error}. It goes on: follow it with 'aiojobs-redis job watch APP {job.id}'."
        ) from None


def _after_the_enqueue(error: AiojobsError) -> Exception:
    """Return the error with an exit code that does not say that nothing was done."""
    from aiojobs_redis.cli.exits import failure_of

    return failure_of(error)


def _print(record: dict[str, Any], *, as_json: bool) -> None:
    from aiojobs_redis.cli.render import json_text

    if as_json:
        click.echo(json_text(record))
    elif "result" in record:
        click.echo(json_text(record["result"]))
