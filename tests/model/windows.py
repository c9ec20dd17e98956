"""What holds of the limits of rates over a whole run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.model.steps import Step

__all__ = ["Windows"]


@dataclass
class Windows:
    """The starts that count, by scope, since its limit was set or the clock set back.

    Attributes:
        starts: When a job started, and its name.
    """

    starts: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    def faults(self, step: Step) -> Iterator[str]:
        """B31: no window of the length of a rate has more starts than it allows.

        A claim that was no start, as of a job that was handed back before it had begun, is none.
        """
        self.starts = {
            scope: starts
            for scope, starts in self.starts.items()
            if scope in step.after["rules"] and starts[-1][0] <= step.now and step.name != "limit"
        }
        for ended in step.accepted():
            if ended.code in ("u", "b") and not step.before["jobs"][ended.id]["to_cancel"]:
                self._take_back(ended.id)
        for name in step.claimed:
            job = step.after["jobs"][name]
            key, task = job["options"]["key"], job["options"]["task"]
            scopes = {"q", f"k{key}" if key is not None else "q", f"t{task}" if task else "q"}
            for scope in scopes & step.after["rules"].keys():
                self.starts.setdefault(scope, []).append((step.now, name))
        for scope, starts in self.starts.items():
            rule = step.after["rules"][scope]
            if rule.starts is not None and rule.window is not None:
                within = [at for at, _ in starts if at > step.now - rule.window]
                if len(within) > rule.starts:
                    yield f"no_window_has_too_many: {len(within)} of {rule.starts} in {scope}"

    def _take_back(self, name: str) -> None:
        for scope, starts in list(self.starts.items()):
            last = max((at for at, start in enumerate(starts) if start[1] == name), default=None)
            if last is not None:
                del starts[last]
            if not starts:
                del self.starts[scope]
