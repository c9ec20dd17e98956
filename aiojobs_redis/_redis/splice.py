"""Splices the Lua files: a script with its includes, made so that a call of it costs little.

Lua 5.1 has no constants, makes each function anew in every call (0.2 µs), and looks for each
variable that a function shares through all that are shared already, from the last to the first.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

__all__ = ["SCRIPT_DIR", "keys_of", "source"]

SCRIPT_DIR = Path(__file__).parent / "lua"

_INCLUDE = re.compile(r"^--@(?:where (\w+) |(features) )?include ([\w ]+)$", re.MULTILINE)
_PLAIN = re.compile(r"^--@plain (\w+) without ([\w ]+)\n", re.MULTILINE)
_WHERE = re.compile(r"^--@where (\w+)\n(.*?)^--@end\n", re.MULTILINE | re.DOTALL)
_SELDOM = re.compile(r"(?:^--@seldom [\w ]+\n)+", re.MULTILINE)
_GIVEN = re.compile(r"^local (?:function (\w+)|([\w, ]+)(?= =|$))", re.MULTILINE)
_FUNCTION = re.compile(r"^local function (\w+)\(.*?^end\n", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"^ *--(?!@).*", re.MULTILINE)
_ASIDE = re.compile(r"^ *--.*", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_]\w*")
_KEY = re.compile(r"KEYS\[\d+\] (\w+)")
_BOUND = re.compile(r"^local .* = KEYS\[(\d+)\].*\n", re.MULTILINE)
_LITERAL = r"(?:'[^'\n\\]*'|\d+)"
_CONSTANT = re.compile(
    rf"^local ([A-Z_]+(?:, [A-Z_]+)*) = ({_LITERAL}(?:, {_LITERAL})*)\n", re.MULTILINE
)
_NAME = re.compile(r"'[^'\n]*'|--.*|\b[A-Z_]+\b")
_CHECK = re.compile(
    r"^( *)require_types\(\{([\w, ]*)\}, \{([\w, ]*)\}(?:, \{([\w, ]*)\})?\)$", re.MULTILINE
)
_LOOK = re.compile(r"^ +(\w+\.call\('\w+', key\))$", re.MULTILINE)
_ENCLOSED = "--@enclosed\n"


@cache
def _read(name: str) -> str:
    return _COMMENT.sub("", (SCRIPT_DIR / "include" / f"{name}.lua").read_text())


def source(name: str) -> str:
    """Return the text of ``lua/<name>.lua`` with its includes in place, without a shebang.

    Functions of an include that the script does not use are left out, and ``--@where NAME include
    ...`` makes those of its includes only where the variable of that name is true: what the rest
    of the script uses of them is ``nil`` elsewhere. A variable in capitals that is a number or a
    text stands as such where it is used, and a look at the types of keys without a function.

    A file of a header and ``--@plain OTHER without NAME ...`` is another script as it is where
    these variables are false: without what ``if NAME then`` does, and with the include `plain` in
    the place of those of ``--@features include ...``.

    ``--@seldom NAME ...`` makes these functions, wherever they are defined, when the first of them
    is called: a call that needs none is spared all of them.

    What stands after ``--@enclosed`` becomes a function of its own, which shares what stands
    before it once; functions made in there get it from that one without a search.
    """
    text = (SCRIPT_DIR / f"{name}.lua").read_text()
    plain = _PLAIN.search(text)
    if plain is None:
        return _without_unused_of(text, frozenset())
    other = (SCRIPT_DIR / f"{plain[1]}.lua").read_text()
    head, body = text[: plain.start()], other[other.index("\nlocal ") + 1 :]
    keys = keys_of(head)
    body = _BOUND.sub(lambda match: match[0] if int(match[1]) <= len(keys) else "", body)
    return _without_unused_of(head + body, frozenset(plain[2].split()))


def keys_of(text: str) -> tuple[str, ...]:
    """Return the short names of the keys that the header of a script lists, in their order."""
    return tuple(_KEY.findall(text.partition("\nlocal ")[0]))


def _without_unused_of(text: str, false: frozenset[str]) -> str:
    def include(match: re.Match[str]) -> str:
        condition, features, names = match.groups()
        names = "plain" if features and false else names
        parts = "".join(_where_true(_read(name), false) for name in names.split())
        return f"--@where {condition}\n{parts}--@end" if condition else parts

    whole = _CHECK.sub(_written_out, _INCLUDE.sub(include, _where_true(text, false)))
    whole = _without_constants(whole)
    whole = _seldom(_without_unused(_where(_without_unused(whole), false)))
    before, enclosed, after = whole.partition(_ENCLOSED)
    return f"{before}return (function()\n{after}end)()\n" if enclosed else whole


def _written_out(check: re.Match[str]) -> str:
    """Return a look at the types of keys without its tables, which cost as much as the looks."""
    indent, *groups = check.groups(default="")
    looks = _LOOK.findall(_read("types"))
    return "\n".join(
        indent + look.replace("key", key)
        for look, keys in zip(looks, groups, strict=True)
        for key in re.findall(r"\w+", keys)
    )


def _without_constants(text: str) -> str:
    values: dict[str, str] = {}
    for names, literals in _CONSTANT.findall(text):
        values |= zip(names.split(", "), re.findall(_LITERAL, literals), strict=True)
    return _NAME.sub(lambda match: values.get(match[0], match[0]), _CONSTANT.sub("", text))


def _where_true(text: str, false: frozenset[str]) -> str:
    """Leave out what is done only where one of these variables is true."""
    if not false:
        return text
    return re.sub(
        rf"^( *)if (?:{'|'.join(sorted(false))}) then\n.*?^\1end\n",
        "",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )


def _where(text: str, false: frozenset[str]) -> str:
    """Put what stands between the marks into an ``if``, and what is used elsewhere before it."""
    used = Counter(_words(text))

    def condition_of(found: re.Match[str]) -> str:
        condition, block = found.groups()
        within = Counter(_words(block))
        names: list[str] = []

        def hoist(match: re.Match[str]) -> str:
            given = (match[1] or match[2]).split(", ")
            if all(used[name] == within[name] for name in given):
                return match[0]
            names.extend(given)
            return match[0].removeprefix("local ")

        block = _GIVEN.sub(hoist, block)
        made = f"local {', '.join(names)}\n" if names else ""
        return made if condition in false else f"{made}if {condition} then\n{block}end\n"

    return _WHERE.sub(condition_of, text)


def _seldom(text: str) -> str:
    """Move functions into one that makes them, and let the rest of the script call them by it."""
    found = _SELDOM.search(text)
    if found is None:
        return text
    wanted = set(found[0].replace("--@seldom", "").split())
    moved = {match[1]: match[0] for match in _FUNCTION.finditer(text) if match[1] in wanted}
    before, after = (
        re.sub(
            rf"(?<![\w.])(?:{'|'.join(moved)})(?=\()",
            r"seldom.\g<0>",
            _FUNCTION.sub(lambda match: "" if match[1] in moved else match[0], part),
        )
        for part in (text[: found.start()], text[found.end() :])
    )
    given = "".join(f"made.{name} = {name}\n" for name in moved)
    return (
        before.replace("\nlocal function ", "\nlocal seldom\nlocal function ", 1)
        + "seldom = setmetatable({}, { __index = function(made, name)\n"
        + "".join(moved.values())
        + f"{given}return made[name]\nend }})\n{after}"
    )


def _words(text: str) -> list[str]:
    # Together these take a third of what one expression for both does.
    return _WORD.findall(_ASIDE.sub("", text))


def _without_unused(text: str) -> str:
    used = Counter(_words(text))
    functions = {match[1]: match[0] for match in _FUNCTION.finditer(text)}
    while unused := [name for name in functions if used[name] == 1]:
        for name in unused:
            # One function less may leave another one without a use.
            used.subtract(_words(functions[name]))
    return _FUNCTION.sub(lambda match: match[0] if used[match[1]] else "", text)
