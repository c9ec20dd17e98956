"""A fault that is planted on purpose, as data."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["Mutant"]


class Mutant(NamedTuple):
    """One fault.

    Attributes:
        fault: What is wrong then.
        path: The file, below `aiojobs_redis/_redis`.
        old: Text that stands in it exactly once.
        new: What stands there instead.
        model: Whether the model can meet it: what mends damage is tried by the tests of scripts.
        first: Tests to ask before all others, since they find it within seconds; of a Python file
            no others are asked.
    """

    fault: str
    path: str
    old: str
    new: str
    model: bool = True
    first: tuple[str, ...] = ()

    def plant(self, package: Path) -> None:
        """Change the file of a copy of the package.

        Raises:
            ValueError: The text is not there, or more than once.
        """
        file = package / "_redis" / self.path
        text = file.read_text(encoding="utf-8")
        if text.count(self.old) != 1:
            raise ValueError(
                f"{self.path} holds {self.old!r} {text.count(self.old)} times, and not once: "
                f"bring the mutant {self.fault!r} up to date"
            )
        file.write_text(text.replace(self.old, self.new), encoding="utf-8")
