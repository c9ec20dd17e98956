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

# Most begin with the end of the line before: what begins with a certain character is found without
# a look at each one in turn. So a text begins with the end of a line, too, until it is ready.
_INCLUDE = re.compile(r"\n--@(?:where (\w+) |(features) )?include ([\w ]+)")
_PLAIN = re.compile(r"\n--@plain (\w+) without ([\w ]+)\n")
_WHERE = re.compile(r"\n--@where (\w+)((?:\n(?!--@end\n).*)*\n)--@end(?=\n)")
_SELDOM = re.compile(r"\n--@seldom [\w ]+(?:\n--@seldom [\w ]+)*")
_GIVEN = re.compile(r"\nlocal (?:function (\w+)|([\w, ]+)(?= =|\n))")
_FUNCTION = re.compile(r"\nlocal function (\w+)\((?:.*\n(?!end\n))*.*\nend(?=\n)")
_COMMENT = re.compile(r"\n *--(?!@).*")
_ASIDE = re.compile(r"\n *--.*")
_KEY = re.compile(r"KEYS\[\d+\] (\w+)")
_BOUND = re.compile(r"\nlocal .* = KEYS\[(\d+)\].*")
_LITERAL = r"(?:'[^'\n\\]*'|\d+)"
_CONSTANT = re.compile(rf"\nlocal ([A-Z_]+(?:, [A-Z_]+)*) = ({_LITERAL}(?:, {_LITERAL})*)(?=\n)")
_NAME = re.compile(r"'[^'\n]*'|--.*|[A-Z_](?<!\w.)[A-Z_]*\b")
_CHECK = re.compile(
    r"\n( *)require_types\(\{([\w, ]*)\}, \{([\w, ]*)\}(?:, \{([\w, ]*)\})?\)(?=\n)"
)
_LOOK = re.compile(r"\n +(\w+\.call\('\w+', key\))(?=\n)")
_ENCLOSED = "\n--@enclosed\n"
_NO_WORD = {code: " " for code in range(128) if not re.match(r"\w", chr(code))}


@cache
def _read(name: str) -> str:
    return _COMMENT.sub("\n", "\n" + (SCRIPT_DIR / "include" / f"{name}.lua").read_text())


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
    text = "\n" + (SCRIPT_DIR / f"{name}.lua").read_text()
    plain = _PLAIN.search(text)
    if plain is None:
        return _without_unused_of(text, frozenset())
    other = (SCRIPT_DIR / f"{plain[1]}.lua").read_text()
    head, body = text[: plain.start()], other[other.index("\nlocal ") :]
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
        parts = "".join(_where_true(_read(name), false)[1:] for name in names.split())
        return f"\n--@where {condition}\n{parts}--@end" if condition else f"\n{parts}"

    whole = _CHECK.sub(_written_out, _INCLUDE.sub(include, _where_true(text, false)))
    whole = _without_constants(_without_unused(whole))
    if "\n--@where " in whole:
        whole = _without_unused(_where(whole, false))
    whole = _seldom(whole)
    before, enclosed, after = whole.partition(_ENCLOSED)
    whole = f"{before}\nreturn (function()\n{after}end)()\n" if enclosed else whole
    return whole[1:]


def _written_out(check: re.Match[str]) -> str:
    """Return a look at the types of keys without its tables, which cost as much as the looks."""
    indent, *groups = check.groups(default="")
    looks = _LOOK.findall(_read("types"))
    return "".join(
        f"\n{indent}" + look.replace("key", key)
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
        rf"\n( *)if (?:{'|'.join(sorted(false))}) then\n.*?\n\1end(?=\n)",
        "",
        text,
        flags=re.DOTALL,
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
            return match[0].replace("local ", "", 1)

        block = _GIVEN.sub(hoist, block)
        made = f"\nlocal {', '.join(names)}" if names else ""
        return made if condition in false else f"{made}\nif {condition} then{block}end"

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
    given = "".join(f"\nmade.{name} = {name}" for name in moved)
    return (
        before.replace("\nlocal function ", "\nlocal seldom\nlocal function ", 1)
        + "\nseldom = setmetatable({}, { __index = function(made, name)"
        + "".join(moved.values())
        + f"{given}\nreturn made[name]\nend }}){after}"
    )


def _words(text: str) -> list[str]:
    # Together these take a small part of what one expression for both does.
    return _ASIDE.sub("", text).translate(_NO_WORD).split()


def _without_unused(text: str) -> str:
    functions = {match[1]: match[0] for match in _FUNCTION.finditer(text)}

    def uses(part: str) -> list[str]:
        return [word for word in _words(part) if word in functions]

    used = Counter(uses(text))
    while unused := [name for name in functions if used[name] == 1]:
        for name in unused:
            # One function less may leave another one without a use.
            used.subtract(uses(functions[name]))
    return _FUNCTION.sub(lambda match: match[0] if used[match[1]] else "", text)
