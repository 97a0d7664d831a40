"""`dragoman` with one more kind of job, for tests that kill the process in the middle of one.

The job STEPS has `steps` steps of `seconds` each. Each step notes its begin and end, with the
process, in the file `marks`: outside the store, so that the test sees what was done twice.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dragoman import app, jobs


def steps(context: jobs.Context, arguments: Mapping[str, Any]) -> list[int]:
    marks = Path(arguments["marks"])

    def mark(word: str, number: int) -> None:
        with marks.open("a") as file:
            file.write(f"{context.job.id} {word} {number} {os.getpid()}\n")

    def step(number: int) -> int:
        mark("begin", number)
        time.sleep(arguments["seconds"])
        mark("end", number)
        return number * number

    found: list[int] = []
    for number in range(arguments["steps"]):
        context.progress("stepping", number, arguments["steps"])
        found.append(context.step(f"step {number}", step, number))
    return found


_background = app.background


def background() -> jobs.Jobs:
    made = _background()
    made.register("STEPS", steps)
    return made


app.background = background

if __name__ == "__main__":
    from dragoman.cli.main import main

    main()
