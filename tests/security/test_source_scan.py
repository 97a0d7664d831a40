"""No stored or sent text is ever run as code, and none is pasted into a template (CVE-2023-37941,
CVE-2020-13952): the source holds nothing that could do it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import dragoman

SOURCE = Path(dragoman.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
# Modules that turn data into code or objects of any class, and template engines.
BANNED_MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle",
    "jinja2", "mako", "imp", "code", "codeop", "xml.sax", "xmlrpc",
}  # fmt: skip
BANNED_NAMES = {"eval", "exec", "compile", "__import__"}
# (module, attribute): `re.compile` is fine, `yaml.load` is not.
BANNED_CALLS = {
    ("yaml", "load"), ("yaml", "load_all"), ("yaml", "unsafe_load"), ("yaml", "full_load"),
    ("yaml", "Loader"), ("os", "system"), ("os", "popen"), ("subprocess", "getoutput"),
    ("asyncio", "create_subprocess_shell"), ("ssl", "_create_unverified_context"),
    ("tempfile", "mktemp"), ("random", "choice"), ("random", "random"),
}  # fmt: skip


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def offences(text: str) -> list[str]:
    """What a module does that this server never does."""
    tree = ast.parse(text)
    found = [name for name in _imports(tree) if name in BANNED_MODULES]
    found += [name for name in _imports(tree) if name.partition(".")[0] in BANNED_MODULES]
    for call in _calls(tree):
        function = call.func
        if isinstance(function, ast.Name) and function.id in BANNED_NAMES:
            found.append(function.id)
        if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
            named = (function.value.id, function.attr)
            if named in BANNED_CALLS:
                found.append(".".join(named))
        for keyword in call.keywords:
            if keyword.arg == "shell" and not _is_false(keyword.value):
                found.append("shell=")
    return sorted(set(found))


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_source_runs_no_text_as_code(path: Path) -> None:
    assert offences(path.read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from pickle import loads", "eval('1')", "exec(x)", "__import__('os')",
        "import jinja2.sandbox", "yaml.load(x)", "os.system('ls')", "subprocess.run(x, shell=True)",
    ],
)  # fmt: skip
def test_the_scan_finds_what_it_looks_for(text: str) -> None:
    assert offences(text) != []


def test_templates_stay_text(tmp_path: Path) -> None:
    from tests.support.server import running_server, settings_for

    texts = ["{{ 7*7 }}", "${HOME}", "#{7*7}", "{0.__class__}", "%(host)s", "$(id)", "{% raw %}"]
    with running_server(settings_for(tmp_path / "home")) as server:
        for text in texts:
            made = server.create(name=text, username=text, database=text)
            shown = server.show(made)
            assert (shown["name"], shown["username"], shown["database"]) == (text, text, text)
