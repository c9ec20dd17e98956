"""Payloads as a page shows them: a tree that folds, and the JSON to copy."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

__all__ = ["Node", "Payload", "read_payload"]

_MOST_NODES: Final = 400
_LONGEST_TEXT: Final = 2000
_LARGEST_COPY: Final = 64 * 1024
_DEEPEST: Final = 12


@dataclass(slots=True)
class Node:
    """A value.

    Attributes:
        kind: ``text``, ``number``, ``word`` (true, false, null), ``list`` or ``map``.
        text: The value, or of a list or map how much is in it.
        label: Its key, or its place in a list; None for the whole payload.
        children: What is in a list or a map.
        left_out: How many of them are not shown.
    """

    kind: str
    text: str
    label: str | None = None
    children: list[Node] = field(default_factory=list[Any])
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Payload:
    """A value with its JSON.

    Attributes:
        node: The tree.
        json: The JSON, indented; cut where it is long.
        size: Characters of the whole JSON.
    """

    node: Node
    json: str
    size: int

    @property
    def cut(self) -> bool:
        """Whether the JSON is not whole."""
        return len(self.json) < self.size


def read_payload(value: object) -> Payload:
    """Return what is shown of a value of plain data."""
    text = _json(value)
    return Payload(_Reader().node(value, None, 0), text[:_LARGEST_COPY], len(text))


def _json(value: object) -> str:
    try:
        compact = msgspec.json.encode(value, enc_hook=repr)
        return msgspec.json.format(compact, indent=2).decode(errors="replace")
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, UnicodeError):
        # Keys that are no texts, or a text that has no form in UTF-8.
        return repr(value).encode(errors="replace").decode()


class _Reader:
    """Makes the tree of one payload, of a bounded size."""

    def __init__(self) -> None:
        self._left = _MOST_NODES

    def node(self, value: Any, label: str | None, depth: int) -> Node:
        self._left -= 1
        if value is None or isinstance(value, bool):
            return Node("word", {None: "null", True: "true", False: "false"}[value], label)
        if isinstance(value, int | float):
            return Node("number", str(value)[:_LONGEST_TEXT], label)
        if isinstance(value, bytes | bytearray | memoryview):
            data = base64.b64encode(bytes(value)[:_LONGEST_TEXT]).decode()
            return Node("text", f"{len(value)} bytes: {data}"[:_LONGEST_TEXT], label)
        if isinstance(value, dict):
            return self._container("map", list(value.items()), label, depth)
        if isinstance(value, list | tuple | set | frozenset):
            pairs = [(str(place), each) for place, each in enumerate(value)]
            return self._container("list", pairs, label, depth)
        text = value if isinstance(value, str) else str(value)
        text = text[: _LONGEST_TEXT + 1].encode(errors="replace").decode()
        if len(text) > _LONGEST_TEXT:
            whole = len(value) if isinstance(value, str) else len(text)
            text = f"{text[:_LONGEST_TEXT]}… ({whole:,} characters)"
        return Node("text", text, label)

    def _container(
        self, kind: str, pairs: list[tuple[Any, Any]], label: str | None, depth: int
    ) -> Node:
        noun = ("key" if kind == "map" else "item") + ("" if len(pairs) == 1 else "s")
        node = Node(kind, f"{len(pairs):,} {noun}", label)
        for place, (key, value) in enumerate(pairs):
            if depth >= _DEEPEST or self._left <= 0:
                node.left_out = len(pairs) - place
                break
            shown = key if isinstance(key, str) else repr(key)
            shown = shown[:200].encode(errors="replace").decode()
            node.children.append(self.node(value, shown, depth + 1))
        return node
