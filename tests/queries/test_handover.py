"""Pieces from a thread to the loop: order, back-pressure, errors, giving up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from dragoman.queries.handover import Abandoned, Handover, parts

pytestmark = pytest.mark.anyio


async def test_pieces_come_in_order_and_end() -> None:
    handover = Handover(asyncio.get_running_loop(), capacity=10)
    sent = [bytes([number]) * 3 for number in range(200)]

    def produce() -> None:
        for piece in sent:
            handover.put(piece)
        handover.end()

    threading.Thread(target=produce).start()
    found: list[bytes] = []
    ended = False
    while not ended:
        pieces, ended = await asyncio.wait_for(handover.take(), 10)
        assert sum(map(len, pieces)) <= 10
        found += pieces
    assert found == sent


async def test_a_full_handover_makes_the_thread_wait() -> None:
    handover = Handover(asyncio.get_running_loop(), capacity=100)
    done = threading.Event()

    def produce() -> None:
        handover.put(b"x" * 500)  # larger than the capacity: still fits an empty one
        handover.put(b"y")
        done.set()

    threading.Thread(target=produce).start()
    await asyncio.sleep(0.1)
    assert not done.is_set()
    assert (await handover.take())[0] == [b"x" * 500]
    assert await asyncio.to_thread(done.wait, 5)


async def test_an_error_comes_after_the_pieces_before_it() -> None:
    handover = Handover(asyncio.get_running_loop())
    handover.put(b"a")
    handover.end(ValueError("no"))
    handover.end()
    assert await handover.take() == ([b"a"], False)
    with pytest.raises(ValueError, match="no"):
        await handover.take()


async def test_giving_up_wakes_both_sides() -> None:
    handover = Handover(asyncio.get_running_loop(), capacity=1)
    met: list[type[Exception]] = []

    def produce() -> None:
        try:
            while True:
                handover.put(b"abc")
        except Abandoned:
            met.append(Abandoned)

    thread = threading.Thread(target=produce)
    thread.start()
    await asyncio.sleep(0.05)
    handover.abandon()
    with pytest.raises(Abandoned):
        await handover.take()
    await asyncio.to_thread(thread.join, 5)
    assert met == [Abandoned]


async def test_a_waiting_taker_is_woken_by_giving_up() -> None:
    handover = Handover(asyncio.get_running_loop())
    waiting = asyncio.create_task(handover.take())
    await asyncio.sleep(0.01)
    threading.Thread(target=handover.abandon).start()
    with pytest.raises(Abandoned):
        await asyncio.wait_for(waiting, 5)


def test_parts_are_the_piece() -> None:
    piece = bytes(range(256)) * 600
    found = list(parts(piece))
    assert [len(part) for part in found] == [65_536, 65_536, 22_528]
    assert b"".join(found) == piece
    assert list(parts(b"")) == []
