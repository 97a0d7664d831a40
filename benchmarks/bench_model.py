"""Model files: reading and merging, the check of a whole model, one view out of many.

`lkml` parses the same model written in LookML. Another reader of Omni's files, sidemantic, runs in
a virtual environment of its own where DRAGOMAN_BENCH_SIDEMANTIC names its Python.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import lkml
from support import model_files, report
from support.report import Figure, Finding, Options, Remark, Target

from dragoman.semantics.composition import ComposedModel
from dragoman.semantics.files import FilesLayer, FolderLayer, GeneratedLayer
from dragoman.semantics.files.folders import for_folder
from dragoman.semantics.files.paths import parse_path
from dragoman.semantics.validation import validate

_SIDEMANTIC = """
import json, sys, time
from sidemantic.adapters.omni import OmniAdapter
seen = []
for _ in range(int(sys.argv[2]) + 1):
    began = time.perf_counter()
    graph = OmniAdapter().parse(sys.argv[1])
    seen.append(time.perf_counter() - began)
assert len(graph.models) == int(sys.argv[3]), len(graph.models)
print(json.dumps(seen[1:]))
"""


def measure(options: Options) -> Iterator[Finding]:
    """Each comparison runs its sides in turn; the first round of each counts for nothing."""
    views, rounds = options.pick((1_000, 5), (60, 2))
    yield Remark(f"{views:,} views of {model_files.COLUMNS} columns, schema and shared layer")
    yield from _reading(views, rounds)
    yield from _peer(views, rounds)
    yield from _checking(options)
    yield from _one_view(options)


def _layers(views: int) -> tuple[FilesLayer, FilesLayer]:
    shared = model_files.shared_views(views)
    shared["relationships"] = model_files.relationships(views)
    return GeneratedLayer(model_files.schema_views(views)), FilesLayer(shared)


def _merged(views: int) -> int:
    """Read both layers' files and merge them to plain definitions."""
    model = ComposedModel(_layers(views))
    names = model.view_names()
    return sum(model.view_definition(name) is not None for name in names)


def _typed(views: int) -> int:
    """The same, and every view as the compiler takes it."""
    model = ComposedModel(_layers(views))
    return sum(model.view(name) is not None for name in model.view_names())


def _reading(views: int, rounds: int) -> Iterator[Finding]:
    texts = [model_files.lookml(number) for number in range(views)]
    seen = _in_turn(
        {
            "merge": lambda: _merged(views),
            "typed": lambda: _typed(views),
            "lkml": lambda: [lkml.load(text) for text in texts],
        },
        rounds,
    )
    yield Figure("read and merge two layers / lkml", report.ratios(seen["merge"], seen["lkml"]))
    yield Figure("read, merge, typed views / lkml", report.ratios(seen["typed"], seen["lkml"]))
    for name, seconds in seen.items():
        yield Figure(f"{name}: {views:,} views", seconds, "s")


def _peer(views: int, rounds: int) -> Iterator[Finding]:
    python = os.environ.get("DRAGOMAN_BENCH_SIDEMANTIC")
    if python is None:
        yield Remark("sidemantic: DRAGOMAN_BENCH_SIDEMANTIC names no Python that has it")
        return
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), model_files.shared_views(views))
        done = subprocess.run(
            [python, "-c", _SIDEMANTIC, folder, str(rounds), str(views)],
            capture_output=True,
            text=True,
            check=True,
        )
        theirs = json.loads(done.stdout.splitlines()[-1])

        def ours() -> int:
            model = ComposedModel([FolderLayer(Path(folder))])
            return sum(model.view(name) is not None for name in model.view_names())

        seen = _in_turn({"ours": ours}, rounds)["ours"]
    yield Figure("read a folder, typed views / sidemantic", report.ratios(seen, theirs))
    yield Figure("sidemantic's Omni reader: shared layer", theirs, "s")


def _write(folder: Path, files: dict[str, str]) -> None:
    for key, text in files.items():
        path, content = for_folder(parse_path(key), text)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, "utf-8")


def _checking(options: Options) -> Iterator[Finding]:
    small, large, rounds = options.pick((1_000, 10_000, 3), (40, 400, 2))

    def check(views: int) -> float:
        layers = _layers(views)
        gc.collect()
        # Processor time: what other programs do to the clock would hide whether it is linear.
        began = time.process_time()
        found = validate(ComposedModel(layers), "postgres")
        took = time.process_time() - began
        assert found == [], found[:3]
        return took

    check(small)  # imports, and the schemas as functions
    pairs = [(check(small), check(large)) for _ in range(rounds)]
    ratio = [many / few for few, many in pairs]
    name = f"full check, {large:,} views / {small:,}"
    yield Figure(name, ratio, target=Target("<=", 12))
    yield Figure(f"full check: {small:,} views", [few for few, _ in pairs], "s")


def _one_view(options: Options) -> Iterator[Finding]:
    views, rounds = options.pick((10_000, 20), (200, 5))
    schema, shared = _layers(views)
    wanted = [f"t{number * 7 % views}" for number in range(1, rounds + 1)]

    def opened(name: str) -> float:
        began = time.perf_counter()
        assert ComposedModel([schema, shared]).view_definition(name, fully_resolved=True)
        return (time.perf_counter() - began) * 1e3

    cold = [opened(name) for name in wanted]
    target = Target("<", 20)
    yield Figure(f"one view's definition out of {views:,}", cold, "ms", target)
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), model_files.shared_views(views))

        def from_disk(name: str) -> float:
            layer = FolderLayer(Path(folder))
            began = time.perf_counter()
            assert layer.view(name) is not None
            return (time.perf_counter() - began) * 1e3

        seen = [from_disk(name) for name in wanted[:5]]
    yield Figure(f"one view out of a listed folder of {views:,}", seen, "ms", target)


def _in_turn(sides: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    seen: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            gc.collect()
            began = time.perf_counter()
            side()
            if number:
                seen[name].append(time.perf_counter() - began)
    return seen


if __name__ == "__main__":
    report.main(measure)
