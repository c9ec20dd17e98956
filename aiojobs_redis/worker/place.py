"""Where the function of a task stands, so that another process finds it without a pickle.

What is imported is named by the code that registered the task, never by anything in Redis.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from aiojobs_redis.errors import ConfigInvalid

if TYPE_CHECKING:
    from types import ModuleType

    from aiojobs_redis.task import Task

__all__ = ["Place", "find", "import_place", "place_of", "refuse_in_child"]

_MAIN = "__main__"

in_child = False
"""Whether this is a process that a worker has started for its jobs."""


class Place(msgspec.Struct, array_like=True, frozen=True):
    """A function that can be imported.

    Attributes:
        module: Its module; empty for a script that was started by its path.
        script: That path.
        name: Its name in there, with dots.
    """

    module: str
    script: str
    name: str


def place_of(task: Task[..., Any]) -> Place:
    """Return where the function of a task stands.

    Raises:
        ConfigInvalid: Another process would not find it.
    """
    function: Any = task.function
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    name = getattr(function, "__qualname__", "")
    if module is None or "<" in name:
        raise _hidden(task, "it has no name at the top level of a module")
    found = find(module, name)
    if found is not task:
        if found is not function:
            raise _hidden(task, f"{module.__name__}.{name} is something else")
        values = task.defaults.over(task.queue.defaults).values
        stuck: list[str] = [key for key in ("retry_on", "fail_on") if key in values]
        stuck += ["backoff"] if callable(values.get("backoff")) else []
        if stuck:
            raise _hidden(task, f"with {stuck[0]}, {name} has to be decorated where it is defined")
    if module.__name__ != _MAIN:
        return Place(module.__name__, "", name)
    spec, script = module.__spec__, getattr(module, "__file__", None)
    if spec is not None:
        return Place(spec.name, "", name)
    if script is None:
        raise _hidden(task, "an interactive session cannot be imported")
    return Place("", str(Path(script).resolve()), name)


def _hidden(task: Task[..., Any], why: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"task {task.name!r} of queue {task.queue.name} has executor='process', but another "
        f"process would not find its function: {why}. Define it with 'def' at the top level of a "
        "module and decorate it there, or use executor='thread'."
    )


def import_place(place: Place) -> ModuleType:
    """Import the module of a place in another process.

    A script is not run as ``__main__``, so that what stands below its guard is left out.
    """
    if place.module:
        return importlib.import_module(place.module)
    known = sys.modules.get("__mp_main__")
    if known is not None:
        return known
    # The name that multiprocessing gives it too.
    spec = importlib.util.spec_from_file_location("__mp_main__", place.script)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place.script} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules["__mp_main__"] = sys.modules[_MAIN] = module
    spec.loader.exec_module(module)
    return module


def refuse_in_child() -> None:
    """Refuse to start a worker in a process that runs jobs of one.

    Raises:
        RuntimeError: This is such a process.
    """
    if in_child:
        raise RuntimeError(
            "a process for jobs has imported a script that starts a worker: put what starts it "
            "below if __name__ == '__main__'"
        )


def find(module: ModuleType, name: str) -> Any:
    """Return what a module has under a name with dots, None for nothing."""
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
