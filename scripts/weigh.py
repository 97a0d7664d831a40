"""What each extra weighs: size on disk, import time and memory, into a table of docs/install.md.

    python scripts/weigh.py            # installs requirements/all.txt into build/weight, and writes
    python scripts/weigh.py --check    # names extras without a row, and fails; installs nothing

Installing all of it into one environment, and asking whether its parts agree, is also the proof
that `pip install 'dragoman[all]'` works.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

from dragoman.dialects import registry
from scripts.dialect_docs import table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "install.md"
VENV = ROOT / "build" / "weight"
LOCK = ROOT / "requirements" / "all.txt"
BEGIN, END = "<!-- weights:begin -->", "<!-- weights:end -->"
ROUNDS = 3
_SIZES = """
import json, re, sys
from importlib import metadata
from packaging.requirements import Requirement

def closure(texts):
    found, todo = {}, [Requirement(text) for text in texts]
    while todo:
        wanted = todo.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        extras = {""} | set(wanted.extras)
        if not any(wanted.marker is None or wanted.marker.evaluate({"extra": e}) for e in extras):
            continue
        if extras <= found.setdefault(name, set()):
            continue
        found[name] |= extras
        for text in metadata.requires(name) or ():
            each = Requirement(text)
            if each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras):
                each.marker = None
                todo.append(each)
    return set(found)

def size(name):
    total = 0
    for file in metadata.files(name) or ():
        path = file.locate()
        total += path.stat().st_size if path.is_file() else 0
    return total

asked = json.loads(sys.argv[1])
base = closure(asked["base"])
every = closure([text for texts in asked["extras"].values() for text in texts])
print(json.dumps({"base": sum(map(size, base)), "extras": {
    extra: sum(map(size, closure(texts) - base)) for extra, texts in asked["extras"].items()
}, "all": sum(map(size, every - base)), "count": len(every | base)}))
"""
_IMPORT = """
import importlib, resource, sys, time
importlib.import_module("dragoman.dialects.base")
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
importlib.import_module(sys.argv[1])
took = time.process_time() - began
print(took * 1000, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
_HEADS = ("Extra", "Installs beside the default", "Dialect's module", "Driver", "Driver's memory")


def main(arguments: list[str]) -> int:
    """Write or check the table; returns the exit code."""
    text = PAGE.read_text("utf-8")
    if "--check" in arguments:
        shown = text.partition(BEGIN)[2].partition(END)[0]
        missing = [name for name in _dialects() if f"| `{name}` |" not in shown]
        print("\n".join(f"install.md: no weight of {name}" for name in missing))
        return 1 if missing else 0
    python = _installed()
    before, _, rest = text.partition(BEGIN)
    block = "\n\n".join(_block(python))
    PAGE.write_text(f"{before}{BEGIN}\n\n{block}\n\n{END}{rest.partition(END)[2]}", "utf-8")
    return 0


def _installed() -> Path:
    """The environment with everything, from the lock; fails where its parts do not agree."""
    stamp = VENV / ".lock"
    if stamp.exists() and stamp.read_bytes() == LOCK.read_bytes():
        return VENV / "bin" / "python"
    uv, python = ROOT / ".venv" / "bin" / "uv", VENV / "bin" / "python"
    _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV)
    _run(uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", LOCK)
    _run(uv, "pip", "check", "--python", python)
    # Not from the lock: what reads the metadata, and the server itself.
    _run(uv, "pip", "install", "--quiet", "--python", python, "packaging")
    _run(uv, "pip", "install", "--quiet", "--python", python, "--no-deps", "--editable", ROOT)
    stamp.write_bytes(LOCK.read_bytes())
    return python


def _block(python: Path) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = {name: project["optional-dependencies"][name] for name in _dialects()}
    asked = {"base": project["dependencies"], "extras": extras}
    sizes = json.loads(_run(python, "-c", _SIZES, json.dumps(asked)))
    rows = [
        (f"`{name}`", _megabytes(size), *_costs(python, name))
        for name, size in sizes["extras"].items()
    ]
    base, everything = sizes["base"], sizes["base"] + sizes["all"]
    return [
        f"The default install takes {_megabytes(base)}, with the drivers of every dialect "
        f"{_megabytes(everything)}: {sizes['count']} packages in one environment.",
        table(_HEADS, rows),
    ]


def _costs(python: Path, name: str) -> tuple[str, str, str]:
    """Processor time of the dialect's own module and of its driver, and the driver's memory."""
    module = registry.get(name).declaration.driver.module
    own, _ = _imported(python, f"dragoman.dialects.{name}")
    driver, memory = _imported(python, module)
    return f"{own:.0f} ms", f"{driver:.0f} ms (`{module}`)", f"{memory:.0f} MB"


def _imported(python: Path, module: str) -> tuple[float, float]:
    """The quickest of some fresh processes: milliseconds, and MB of memory."""
    told = [_run(python, "-c", _IMPORT, module).split() for _ in range(ROUNDS)]
    return min((float(took), float(memory)) for took, memory in told)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB" if size else ""


def _dialects() -> list[str]:
    return list(registry.all_dialects())


def _run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command[0]}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
