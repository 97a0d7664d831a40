"""Threads that give way to others."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from dragoman.house import NICENESS, give_way


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows niceness of threads")
def test_a_thread_that_gives_way_leaves_the_others_as_they_are() -> None:
    own = os.nice(0)
    with ThreadPoolExecutor(1, initializer=give_way) as threads:
        assert threads.submit(os.nice, 0).result() == min(19, own + NICENESS)
    assert os.nice(0) == own
