"""Nothing that Redis holds can become code: no such call is in the package."""

from __future__ import annotations

import ast
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.quality.paths import PACKAGE, python_files

FORBIDDEN_MODULES = {
    *("pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle"),
    *("yaml", "joblib", "code", "codeop", "runpy", "pydoc", "imp", "copyreg"),
}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
# What they import is named by the source or on the command line, never by Redis.
IMPORT_BY_NAME = {
    *("__init__.py", "cli/app.py", "cli/groups.py", "cli/serving.py"),
    "worker/place.py",
}


def places(path: Path) -> list[str]:
    """Return what a file does that could turn data into code."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        found += [f"import {name}" for name in names if name.split(".")[0] in FORBIDDEN_MODULES]
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in FORBIDDEN_CALLS:
                found.append(f"{called.id}()")
            if isinstance(called, ast.Attribute) and called.attr in {"import_module", "loads"}:
                found.append(f".{called.attr}()")
            if isinstance(called, ast.Name) and called.id == "import_module":
                found.append("import_module()")
    return found


@pytest.mark.requirement("B33")
@pytest.mark.requirement("S1")
@pytest.mark.requirement("S2")
def test_no_part_of_the_package_turns_data_into_code() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): places(path)
        for path in python_files()
        if places(path)
    }
    importing = {
        place
        for place, calls in found.items()
        if set(calls) <= {".import_module()", "import_module()"}
    }
    assert set(found) == importing
    assert importing <= IMPORT_BY_NAME


def test_the_gate_sees_what_it_looks_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "import pickle.x\nfrom dill import a\neval('1')\nimportlib.import_module(n)\nx.loads(b)\n"
    )
    assert sorted(places(bad)) == [
        ".import_module()",
        ".loads()",
        "eval()",
        "import dill",
        "import pickle.x",
    ]


@pytest.mark.requirement("S6")
def test_lua_is_written_in_its_own_files_only() -> None:
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                assert "KEYS[" not in text.replace(r"KEYS\[", ""), path
                assert "redis.call(" not in text, path
                assert text.upper() not in {"EVAL", "EVAL_RO", "FUNCTION", "FCALL"}, path


@pytest.mark.requirement("S23")
def test_the_client_library_is_past_its_known_faults() -> None:
    # CVE-2023-28858 and 28859: a reply went to the wrong caller after a cancelled command.
    wanted = [Requirement(text) for text in metadata.requires("aiojobs-redis") or []]
    [client] = [each for each in wanted if each.name == "redis"]
    for bad in ("4.3.6", "4.4.3", "4.5.3", "4.5.4", "4.6.0", "5.0.0", "5.2.1"):
        assert not client.specifier.contains(bad)
    assert client.specifier.contains(metadata.version("redis"))
