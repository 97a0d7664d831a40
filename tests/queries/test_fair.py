"""Whose turn it is: by rules, and for any order of comings and goings."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from dragoman.queries.fair import FairQueue, Limits, Turn


def turn(user: str, connection: str = "c", limits: Limits | None = None) -> Turn:
    return Turn("house", user, connection, limits or Limits(2), lambda: None)


def names(queue: FairQueue) -> list[str]:
    return [each.user for each in queue.ready()]


def test_one_who_asks_much_waits_for_one_who_asks_little() -> None:
    queue = FairQueue()
    many = [turn("many") for _ in range(5)]
    for each in many:
        queue.add(each)
    running = list(queue.ready())
    assert running == many[:2]
    little = turn("little")
    queue.add(little)
    assert list(queue.ready()) == []
    queue.end(running[0])
    assert list(queue.ready()) == [little]
    queue.end(running[1])
    assert list(queue.ready()) == [many[2]]


def test_users_take_turns() -> None:
    queue = FairQueue()
    for user in ("a", "a", "a", "b", "b", "b"):
        queue.add(turn(user, limits=Limits(1)))
    order = []
    for _ in range(6):
        (running,) = queue.ready()
        order.append(running.user)
        queue.end(running)
    assert order == ["a", "b", "a", "b", "a", "b"]


def test_a_busy_connection_does_not_hold_up_the_others() -> None:
    queue = FairQueue()
    limits = Limits(10, user=3, connection=1)
    turns = [turn("a", "slow", limits), turn("a", "slow", limits), turn("a", "quick", limits)]
    for each in turns:
        queue.add(each)
    assert list(queue.ready()) == [turns[0], turns[2]]
    queue.end(turns[0])
    assert list(queue.ready()) == [turns[1]]


def test_one_that_was_taken_back_never_runs() -> None:
    queue = FairQueue()
    first, second = turn("a", limits=Limits(1)), turn("a", limits=Limits(1))
    queue.add(first)
    queue.add(second)
    assert list(queue.ready()) == [first]
    assert not queue.remove(first)
    assert queue.waits("house", "a") == 1
    assert queue.remove(second)
    assert not queue.remove(second)
    queue.end(second)
    queue.end(first)
    assert list(queue.ready()) == []


def test_houses_have_room_of_their_own() -> None:
    queue = FairQueue()
    for house in ("one", "two"):
        for _ in range(2):
            queue.add(Turn(house, "a", "c", Limits(1), lambda: None))
    assert sorted(str(each.house) for each in queue.ready()) == ["one", "two"]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abc"), st.sampled_from("xy")),
        st.integers(0, 20),  # which of the running ends
    ),
    max_size=60,
)


@given(STEPS, st.integers(1, 4), st.integers(0, 3), st.integers(0, 2))
def test_no_limit_is_passed_nothing_is_lost_and_no_room_is_left_unused(
    steps: list[tuple[str, str] | int], total: int, user: int, connection: int
) -> None:
    queue, limits = FairQueue(), Limits(total, user, connection)
    waiting: list[Turn] = []
    running: list[Turn] = []

    def room(each: Turn) -> bool:
        users = Counter(one.user for one in running)
        connections = Counter(one.connection for one in running)
        return (
            len(running) < total
            and (not user or users[each.user] < user)
            and (not connection or connections[each.connection] < connection)
        )

    for step in [*steps, *range(len(steps))]:
        if isinstance(step, int):
            if running:
                queue.end(running.pop(step % len(running)))
        else:
            new = turn(*step, limits=limits)
            waiting.append(new)
            queue.add(new)
        for each in queue.ready():
            assert room(each)
            waiting.remove(each)
            running.append(each)
        assert not any(room(each) for each in waiting)
    while running:
        queue.end(running.pop())
        for each in queue.ready():
            waiting.remove(each)
            running.append(each)
    assert waiting == []
