"""From APP to the queues that it names, and one event loop for the work on them."""

from __future__ import annotations

import asyncio
import difflib
import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiojobs_redis.cli.ending import Stopped
from aiojobs_redis.cli.exits import Misuse
from aiojobs_redis.errors import AiojobsError
from aiojobs_redis.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from types import ModuleType

    from aiojobs_redis.worker.worker import Worker

__all__ = ["load_queue", "load_queues", "load_worker", "modules_here", "no_queue", "use"]

T = TypeVar("T")


def load_queues(app: str) -> list[Queue]:
    """Return the queues of an application.

    Args:
        app: ``module:name``, where the name is that of a `Queue`, of a list or tuple of them, or of
            a `Worker`.

    Raises:
        Misuse: It cannot be loaded; the message says what to change.
    """
    module, path, found = _find(app)
    queues = list(found) if isinstance(found, list | tuple) else [found]
    if not isinstance(found, Queue) and (worker := _as_worker(found)) is not None:
        queues = worker.queues
    if not all(isinstance(queue, Queue) for queue in queues) or not queues:
        what = f"of type {type(found).__name__}" if queues else f"an empty {type(found).__name__}"
        raise Misuse(
            f"{app} is {what}, not a Queue, a list of them or a Worker. {_queues_in(module, path)}"
        )
    return queues


def load_worker(app: str) -> Worker | None:
    """Return the worker of an application, None where APP names a queue or queues.

    Args:
        app: As for `load_queues`.

    Raises:
        Misuse: It cannot be loaded.
    """
    return _as_worker(_find(app)[2])


def _as_worker(found: object) -> Worker | None:
    # Only `worker` needs it, and it is much to import.
    if isinstance(found, Queue | list | tuple):
        return None
    from aiojobs_redis.worker.worker import Worker

    return found if isinstance(found, Worker) else None


def _find(app: str) -> tuple[ModuleType, str, Any]:
    module_name, _, path = app.partition(":")
    if not module_name or not path:
        raise Misuse(
            f"APP must be module:queue, got {app!r}: for 'queue = Queue(...)' in app.py it is "
            "app:queue."
        )
    if _is_path(module_name):
        raise Misuse(f"APP takes a module, not a path, got {app!r}: {_for_path(module_name, path)}")
    module = _import(module_name)
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Misuse(f"{module_name} has no {path!r}. {_queues_in(module, path)}") from None
    return module, path, found


def _is_path(name: str) -> bool:
    if name.startswith(".") or "/" in name or "\\" in name:
        return True
    return name.endswith(".py") and Path(name).is_file()


def _for_path(name: str, path: str) -> str:
    """Return what to write instead of a path, or of a name that is relative to nothing."""
    here = Path.cwd()
    meant = Path(os.path.normpath(here / name.replace("\\", "/").removesuffix(".py")))
    if not meant.is_relative_to(here):
        return f"run the command in {meant.parent}, with {meant.name}:{path}."
    module = ".".join(meant.relative_to(here).parts).strip(".")
    return f"write {module or 'app'}:{path}."


def load_queue(app: str, name: str | None) -> Queue:
    """Return one queue of an application.

    Args:
        app: As for `load_queues`.
        name: The queue's name; None where the application has one queue.

    Raises:
        Misuse: It cannot be loaded, or it is not clear which queue is meant.
    """
    queues = load_queues(app)
    names = ", ".join(queue.name for queue in queues)
    if name is None:
        if len(queues) > 1:
            raise Misuse(f"{app} has the queues {names}: choose one with --queue NAME.")
        return queues[0]
    for queue in queues:
        if queue.name == name:
            return queue
    raise Misuse(no_queue(app, name, [queue.name for queue in queues]))


def no_queue(app: str, name: str, names: Iterable[str]) -> str:
    """Return what to tell somebody who named a queue that APP does not have."""
    known = list(names)
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{app} has no queue {name!r}; it has {', '.join(known)}.{hint}"


def use(queue: Queue, work: Callable[[Queue], Awaitable[T]]) -> T:
    """Connect, do the work on an event loop, disconnect.

    Raises:
        QueueUnavailable: Redis did not answer.
    """

    async def scope() -> T:
        async with queue:
            return await work(queue)

    return asyncio.run(scope())


def _import(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except AiojobsError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            near = difflib.get_close_matches(missing, modules_here(), 1)
            hint = (
                f"Did you mean {near[0]}?"
                if near
                else f"Run the command in the folder that holds {missing.replace('.', '/')}.py."
            )
            raise Misuse(
                f"there is no module {missing!r} in {here} or in this Python environment. {hint}"
            ) from None
        raise Misuse(
            f"{name} imports {missing!r}, which is not in this Python environment ({sys.prefix}): "
            "install it here, or use the environment of the application."
        ) from None
    except Stopped:
        raise
    except (Exception, SystemExit) as error:
        # The frames above the module's own are those of the import machinery.
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "importlib" not in f[0]]
        trace = "".join(traceback.format_list(frames[1:]))
        what = "".join(traceback.format_exception_only(error)).strip()
        hint = ""
        if isinstance(error, SystemExit):
            hint = "\nPut what is to run as a program behind: if __name__ == '__main__'"
        raise Misuse(f"{name} cannot be imported:\n{trace}{what}{hint}") from error


def modules_here() -> list[str]:
    """Return the modules and packages of the current folder, by name."""
    files = [path.stem for path in Path().glob("*.py")]
    folders = [path.parent.name for path in Path().glob("*/__init__.py")]
    return sorted(name for name in files + folders if name.isidentifier() and name != "__init__")


def _queues_in(module: ModuleType, wanted: str) -> str:
    names = sorted(name for name, value in vars(module).items() if isinstance(value, Queue))
    if not names:
        return f"There is no Queue at the top level of {module.__name__}."
    near = difflib.get_close_matches(wanted, names, 1)
    if near:
        return f"Did you mean {module.__name__}:{near[0]}?"
    return f"Its queues: {', '.join(f'{module.__name__}:{name}' for name in names)}."
